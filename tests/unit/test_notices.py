"""What a notice says fits what SNS takes, whatever the document says."""

import pytest

from salesforce_keypair.notices import upload_notice
from tests.integration.org_client import key_pair
from tests.unit.support import parse, text_of


@pytest.mark.parametrize("app_name", ["B", "Billing", "B" * 80])
def test_the_subject_is_one_that_sns_takes(app_name: str) -> None:
    credential = parse(text_of(key_pair(), appName=app_name))
    assert credential.certificate is not None

    subject = upload_notice(credential, credential.certificate, secret_id="arn").subject

    assert subject.startswith(f"Upload a certificate to {app_name[:70]}")
    assert len(subject) < 100
    assert subject.isascii()
    assert subject.isprintable()
