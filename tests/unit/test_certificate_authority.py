"""What AWS Private CA answers becomes a certificate that is fit to be used, or an error that says who must do what."""

import json
import uuid
from collections.abc import Callable, Iterator

import botocore.endpoint
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from salesforce_keypair.certificate_authority import PrivateCa
from salesforce_keypair.errors import InvalidSecret, KeyPairError, SecretUnavailable
from salesforce_keypair.keypair import Certificate, KeyAlgorithm, SigningRequest, make_key_pair
from salesforce_keypair.timing import CLOCKS_DIFFER_SECONDS
from tests.integration.org_client import certificate_of, key_pair
from tests.sandbox.aws import DropConnection, Garble, LocalAws, Refuse
from tests.scenarios.keys_made_once import share_keys
from tests.scenarios.promises import assert_tells_what_to_do
from tests.unit.support import FakeClock

UNKNOWN = "arn:aws:acm-pca:us-east-1:123456789012:certificate-authority/00000000-0000-0000-0000-000000000000"
DAY = 86_400.0


class Bench:
    """A local AWS with an authority, and what asks it for certificates."""

    def __init__(self, aws: LocalAws, clock: FakeClock) -> None:
        self.aws = aws
        self.clock = clock
        self.regions: list[str] = []
        self.arn = ""
        self._client = aws.client("acm-pca")

    def renew(self) -> None:
        """As nobody has left anything."""
        self.clock.now = FakeClock().now
        self.aws.faults.clear()
        service = self.aws.private_ca
        service.now, service.asks_before_issued = self.clock.time, 1
        service.tamper = lambda leaf, chain: (leaf, chain)
        self.regions.clear()
        self.arn = self.arn or service.create()

    def certify(self, *, arn: str = "", seconds: float = 300.0) -> Certificate:
        """A certificate for a new key."""

        def client(region: str) -> object:
            self.regions.append(region)
            return self._client

        authority = PrivateCa(client, self.clock)  # type: ignore[arg-type]

        def sign(request: SigningRequest) -> Certificate:
            deadline = self.clock.deadline(seconds)
            return authority.sign(request, authority_arn=arn or self.arn, deadline=deadline)

        # The keys come round again here, and the authority would take the same request for one that is made again.
        name = f"Billing {uuid.uuid4()}"
        made = make_key_pair(
            KeyAlgorithm.RSA_2048, common_name=name, validity_days=90, now=self.clock.time(), sign=sign
        )
        return made.certificate

    def refused(self, kind: type[KeyPairError] = InvalidSecret, *, arn: str = "") -> KeyPairError:
        """How certifying ends."""
        with pytest.raises(kind) as caught:
            self.certify(arn=arn)
        assert_tells_what_to_do(caught.value)
        return caught.value

    def another_authority(self, *, years_ago: int = 0) -> str:
        """The certificate of an authority that has the same name and didn't issue anything."""
        service = self.aws.private_ca
        made_at = self.clock.time() - 365 * DAY * years_ago
        service.now = lambda: made_at
        try:
            return pem_of(service.certificate(service.create()))
        finally:
            service.now = self.clock.time


@pytest.fixture(scope="module")
def shared() -> Iterator[Bench]:
    with LocalAws() as aws, pytest.MonkeyPatch.context() as patch:
        share_keys(patch)
        bench = Bench(aws, FakeClock())
        # The SDK's pauses between two tries.
        patch.setattr(botocore.endpoint, "time", bench.clock)
        yield bench


@pytest.fixture
def bench(shared: Bench) -> Bench:
    shared.renew()
    return shared


def pem_of(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def test_the_leaf_comes_alone_and_was_issued_by_the_authority(bench: Bench) -> None:
    certificate = bench.certify()

    leaf = x509.load_pem_x509_certificate(certificate.pem.encode())
    leaf.verify_directly_issued_by(bench.aws.private_ca.certificate(bench.arn))
    assert certificate.pem.count("BEGIN CERTIFICATE") == 1
    assert certificate.not_after.timestamp() == FakeClock().now + 90 * DAY


def test_the_authoritys_own_region_is_asked(bench: Bench) -> None:
    bench.refused(arn=UNKNOWN.replace("us-east-1", "eu-west-1"))

    assert bench.regions == ["eu-west-1"]


def test_an_answer_that_was_lost_costs_no_second_certificate(bench: Bench) -> None:
    before = bench.aws.private_ca.issued(bench.arn)
    bench.aws.faults.inject("IssueCertificate", DropConnection(after_effect=True))

    bench.certify()

    assert bench.aws.private_ca.issued(bench.arn) == before + 1


def test_a_certificate_that_takes_its_time_is_waited_for(bench: Bench) -> None:
    bench.aws.private_ca.asks_before_issued = 30

    bench.certify()

    assert bench.clock.now >= FakeClock().now + 30


@pytest.mark.parametrize(("seconds", "at_most"), [(20.0, 20.0), (800.0, 200.0)])
def test_a_certificate_that_is_never_issued_isnt_waited_for_for_ever(
    bench: Bench, seconds: float, at_most: float
) -> None:
    bench.aws.private_ca.asks_before_issued = 10_000

    with pytest.raises(SecretUnavailable, match="hasn't issued the certificate in time") as caught:
        bench.certify(seconds=seconds)

    assert caught.value.retryable
    assert_tells_what_to_do(caught.value)
    assert bench.clock.now - FakeClock().now < at_most


# What the document or the authority must change


def test_an_authority_that_isnt_there_is_named(bench: Bench) -> None:
    error = bench.refused(arn=UNKNOWN)

    assert "correct certificateAuthorityArn" in error.remedy
    assert not error.retryable


def test_an_authority_that_is_disabled_is_to_be_enabled(bench: Bench) -> None:
    arn = bench.aws.private_ca.create()
    bench.aws.private_ca.disable(arn)

    assert "enable the certificate authority" in bench.refused(arn=arn).remedy


def test_a_certificate_that_would_outlive_its_authority_is_refused(bench: Bench) -> None:
    bench.clock.advance(DAY * 3600)

    assert "certificateValidityDays" in bench.refused().remedy


@pytest.mark.parametrize("code", ["InvalidArgsException", "MalformedCSRException", "InvalidArnException"])
def test_whatever_else_the_authority_finds_wrong_stays_wrong_until_somebody_changes_it(bench: Bench, code: str) -> None:
    bench.aws.faults.inject("IssueCertificate", Refuse(code))

    assert code in bench.refused().what


def test_an_authority_that_fails_to_issue_is_to_be_looked_at(bench: Bench) -> None:
    bench.aws.faults.inject("GetCertificate", Refuse("RequestFailedException"))

    assert "see the certificate authority" in bench.refused().remedy


Tamper = Callable[[Bench, str, str], tuple[str, str]]


def elsewhen(bench: Bench, days: float, *answer: str) -> tuple[str, str]:
    bench.clock.advance(DAY * days)
    leaf, chain = answer
    return leaf, chain


UNFIT: list[tuple[str, Tamper]] = [
    ("it isn't an X.509 certificate", lambda bench, leaf, chain: ("hello" * 4, chain)),
    ("it is neither PEM nor base64", lambda bench, leaf, chain: ("no, sorry", chain)),
    (
        "for an RSA key",
        lambda bench, leaf, chain: (pem_of(certificate_of(ec.generate_private_key(ec.SECP256R1()))), chain),
    ),
    ("its key has 1024 bits", lambda bench, leaf, chain: (key_pair("short", 1024).pem, chain)),
    ("its chain can't be read", lambda bench, leaf, chain: (leaf, "hello")),
    ("it came without the authority's certificate", lambda bench, leaf, chain: (leaf, "")),
    ("a chain that has no end", lambda bench, leaf, chain: (leaf, chain * 20)),
    ("its chain doesn't hold together", lambda bench, leaf, chain: (leaf, bench.another_authority())),
    ("an authority above it isn't valid now", lambda bench, leaf, chain: (leaf, bench.another_authority(years_ago=11))),
    ("a certificate above it may issue none", lambda bench, leaf, chain: (leaf, leaf)),
    ("it may issue others", lambda bench, leaf, chain: (chain, chain)),
    ("a chain that has no end", lambda bench, leaf, chain: (leaf, chain * 10)),
    # A second has gone by since it was issued.
    ("used, it isn't valid now", lambda bench, leaf, chain: elsewhen(bench, 90 - 1 / DAY, leaf, chain)),
    ("used, it isn't valid now", lambda bench, leaf, chain: elsewhen(bench, -1, leaf, chain)),
    (
        "exceeds the 4096 bytes",
        lambda bench, leaf, chain: (pem_of(certificate_of(key_pair().key, padding=3500)), chain),
    ),
]


@pytest.mark.parametrize(
    ("named", "tamper"), UNFIT, ids=[f"{number} {named}" for number, (named, _) in enumerate(UNFIT)]
)
def test_a_certificate_that_is_not_fit_to_be_used_is_refused(bench: Bench, named: str, tamper: Tamper) -> None:
    bench.aws.private_ca.tamper = lambda leaf, chain: tamper(bench, leaf, chain)

    assert named in bench.refused().what


def test_a_chain_may_name_others_above_the_authority(bench: Bench) -> None:
    bench.aws.private_ca.tamper = lambda leaf, chain: (leaf, chain * 9)

    assert bench.certify()


@pytest.mark.parametrize(("ahead", "borne"), [(CLOCKS_DIFFER_SECONDS, True), (CLOCKS_DIFFER_SECONDS + 1, False)])
def test_the_authoritys_clock_may_be_a_little_ahead(bench: Bench, ahead: float, *, borne: bool) -> None:
    # By an hour more, for AWS backdates by as much, which isn't to be relied on.
    bench.aws.private_ca.now = lambda: bench.clock.time() + 3600 + ahead
    bench.aws.private_ca.asks_before_issued = 0

    if borne:
        assert bench.certify()
    else:
        assert "used, it isn't valid now" in bench.refused().what


def test_an_answer_without_a_chain_is_refused(bench: Bench) -> None:
    answer = json.dumps({"Certificate": bench.certify().pem}).encode()
    bench.aws.faults.inject("GetCertificate", Garble(answer))

    assert "it came without the authority's certificate" in bench.refused().what


def test_a_certificate_for_another_key_is_refused(bench: Bench) -> None:
    earlier = bench.certify().pem
    bench.aws.private_ca.tamper = lambda leaf, chain: (earlier, chain)

    assert "it is for another key" in bench.refused().what


# Where AWS fails


@pytest.mark.parametrize("operation", ["IssueCertificate", "GetCertificate"])
@pytest.mark.parametrize(
    ("trouble", "passes"),
    [
        (Refuse("AccessDeniedException"), False),
        (Refuse("LimitExceededException"), False),
        (Refuse("ThrottlingException"), True),
        (Refuse("InternalFailure", status=500), True),
        (DropConnection(), True),
        (Garble(), True),
        (Garble(b"{}"), True),
        (Garble(b'{"__type": "Unheard"}', status=400), False),
        (Garble(b'{"CertificateArn": 5, "Certificate": 5, "CertificateChain": 5}'), True),
        (Garble(b"", status=503), True),
    ],
    ids=str,
)
def test_what_aws_fails_to_do_is_awss_failure(
    bench: Bench, operation: str, trouble: Refuse | DropConnection | Garble, passes: bool
) -> None:
    bench.aws.faults.inject(operation, trouble, times=None)

    error = bench.refused(SecretUnavailable)

    assert "AWS Private CA" in error.what
    assert "NoneType" not in error.what
    assert error.retryable is passes


def test_a_missing_permission_is_named_with_the_parameter_that_grants_it(bench: Bench) -> None:
    message = f"User: arn:aws:sts::123456789012:assumed-role/rotation/x is not authorized on resource: {UNKNOWN}"
    bench.aws.faults.inject("IssueCertificate", Refuse("AccessDeniedException", message=message))

    error = bench.refused(SecretUnavailable)

    assert UNKNOWN in error.what
    assert "CertificateAuthorityArn" in error.remedy
