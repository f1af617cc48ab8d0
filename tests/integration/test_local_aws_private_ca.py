"""The local AWS Private CA issues what it is asked for when it is ready, and refuses what AWS refuses."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from tests.integration.org_client import key_pair
from tests.sandbox.aws import LocalAws

PLAIN = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
UNKNOWN = "arn:aws:acm-pca:us-east-1:123456789012:certificate-authority/00000000-0000-0000-0000-000000000000"


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as local:
        yield local


@pytest.fixture(scope="module")
def arn(aws: LocalAws) -> str:
    return aws.private_ca.create()


def csr(name: str = "first") -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(key_pair(name).certificate.subject)
    return builder.sign(key_pair(name).key, hashes.SHA256()).public_bytes(Encoding.PEM)


def issue(aws: LocalAws, arn: str, **parameters: Any) -> str:
    right: dict[str, Any] = {
        "CertificateAuthorityArn": arn,
        "Csr": csr(),
        "SigningAlgorithm": "SHA256WITHRSA",
        "Validity": {"Value": 90, "Type": "DAYS"},
    }
    return str(aws.client("acm-pca", config=PLAIN).issue_certificate(**(right | parameters))["CertificateArn"])


def test_a_certificate_is_there_a_while_after_it_was_asked_for(aws: LocalAws, arn: str) -> None:
    client = aws.client("acm-pca", config=PLAIN)
    issued = issue(aws, arn)

    with pytest.raises(client.exceptions.RequestInProgressException):
        client.get_certificate(CertificateAuthorityArn=arn, CertificateArn=issued)
    answer = client.get_certificate(CertificateAuthorityArn=arn, CertificateArn=issued)

    leaf = x509.load_pem_x509_certificate(answer["Certificate"].encode())
    own = x509.load_pem_x509_certificate(answer["CertificateChain"].encode())
    assert own == aws.private_ca.certificate(arn)
    leaf.verify_directly_issued_by(own)
    assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days == 90
    assert leaf.public_key() == key_pair("first").key.public_key()


def test_a_request_that_is_repeated_with_its_token_is_one_request(aws: LocalAws, arn: str) -> None:
    first = issue(aws, arn, IdempotencyToken="once")

    assert issue(aws, arn, IdempotencyToken="once") == first
    assert issue(aws, arn, IdempotencyToken="once", Csr=csr("second")) != first
    assert issue(aws, arn) != issue(aws, arn)


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"CertificateAuthorityArn": UNKNOWN}, "ResourceNotFoundException"),
        ({"Csr": b"-----BEGIN CERTIFICATE REQUEST-----"}, "MalformedCSRException"),
        ({"SigningAlgorithm": "SHA256WITHECDSA"}, "InvalidArgsException"),
        ({"TemplateArn": "arn:aws:acm-pca:::template/RootCACertificate/V1"}, "InvalidArnException"),
        ({"Validity": {"Value": 3651, "Type": "DAYS"}}, "ValidationException"),
        ({"IdempotencyToken": "x" * 37}, "ValidationException"),
        ({"Validity": {"Value": 0, "Type": "DAYS"}}, "ValidationException"),
    ],
    ids=str,
)
def test_what_private_ca_refuses_is_refused(aws: LocalAws, arn: str, parameters: dict[str, Any], code: str) -> None:
    with pytest.raises(ClientError) as caught:
        issue(aws, arn, **parameters)

    assert caught.value.response["Error"]["Code"] == code
