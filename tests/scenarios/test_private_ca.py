"""`certificateAuthorityArn`: AWS Private CA certifies the new key, and nothing is kept that isn't fit to be used."""

from collections.abc import Iterator

import pytest
from cryptography.x509.oid import NameOID

from salesforce_keypair.errors import SecretUnavailable
from tests.sandbox.aws import Refuse
from tests.scenarios.promises import Promises, assert_tells_what_to_do
from tests.scenarios.support import CREATE, Stage
from tests.scenarios.test_rotation_documents import refused

TEMPLATE = "arn:aws:acm-pca:::template/EndEntityClientAuthCertificate/V1"


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A self-signed key that logs in, and an authority that shall certify its successors."""
    with Stage() as made:
        made.world.aws.private_ca.now = made.clock.time
        made.install_key(certificateAuthorityArn=made.world.aws.private_ca.create(), certificateValidityDays=90)
        promises = Promises(made)
        yield made
        promises.hold()


def authority(stage: Stage) -> str:
    return str(stage.labelled("AWSCURRENT").document["certificateAuthorityArn"])


def test_the_authority_certifies_the_new_key_and_its_certificate_alone_is_stored_and_installed(stage: Stage) -> None:
    request = stage.rotate()

    new = stage.version(request.version_id)
    assert new.pair is not None
    new.pair.certificate.verify_directly_issued_by(stage.world.aws.private_ca.certificate(authority(stage)))
    assert new.document["certificate"].count("BEGIN CERTIFICATE") == 1
    assert new.pair.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "Billing"
    assert stage.world.app.fingerprint == new.fingerprint
    assert stage.logs_in(new)


def test_what_is_asked_for_is_what_the_document_says_and_no_more(stage: Stage) -> None:
    stage.rotate()

    (call,) = stage.world.aws.calls("IssueCertificate")
    asked = dict(call.parameters)
    assert asked.pop("Csr")
    assert len(asked.pop("IdempotencyToken")) == 32
    assert asked == {
        "CertificateAuthorityArn": authority(stage),
        "SigningAlgorithm": "SHA256WITHRSA",
        "TemplateArn": TEMPLATE,
        "Validity": {"Value": 90, "Type": "DAYS"},
    }


def test_a_first_installation_is_certified_too(stage: Stage) -> None:
    with Stage() as first:
        first.world.aws.private_ca.now = first.clock.time
        first.edit(certificateAuthorityArn=first.world.aws.private_ca.create())

        request = first.rotate()

        assert first.logs_in(first.version(request.version_id))


def test_a_delivery_that_finds_its_key_asks_for_no_other_certificate(stage: Stage) -> None:
    request = stage.begin()

    stage.deliver(request, CREATE, CREATE)

    assert stage.world.aws.private_ca.issued(authority(stage)) == 1


def test_a_certificate_that_is_not_fit_is_never_stored_and_nobody_in_salesforce_is_asked(stage: Stage) -> None:
    first = stage.version(stage.rotate().version_id).document["certificate"]
    asked = stage.world.org.log.entries()
    stage.world.aws.private_ca.tamper = lambda leaf, chain: (first, chain)

    assert "it is for another key" in refused(stage, stage.begin(), CREATE).what

    assert stage.world.org.log.entries() == asked


@pytest.mark.parametrize("operation", ["IssueCertificate", "GetCertificate"])
def test_what_aws_fails_to_do_leaves_nothing_and_the_next_delivery_goes_on(stage: Stage, operation: str) -> None:
    stage.world.aws.faults.inject(operation, Refuse("AccessDeniedException"))
    request = stage.begin()
    seen = stage.seen()

    with pytest.raises(SecretUnavailable) as caught:
        stage.deliver(request, CREATE)

    assert stage.seen() == seen
    assert_tells_what_to_do(caught.value)
    assert stage.deliver_all(request) is None


def test_no_delivery_waits_for_a_certificate_past_its_own_end(stage: Stage) -> None:
    stage.world.aws.private_ca.asks_before_issued = 10_000
    before = stage.clock.now

    with pytest.raises(SecretUnavailable):
        stage.deliver(stage.begin(), CREATE, seconds=20)

    assert stage.clock.now - before < 20


def test_the_next_delivery_of_a_certificate_that_took_too_long_gets_another_one(stage: Stage) -> None:
    stage.world.aws.private_ca.asks_before_issued = 30
    request = stage.begin()
    with pytest.raises(SecretUnavailable):
        stage.deliver(request, CREATE, seconds=20)

    assert stage.deliver_all(request) is None
