"""Certificates by AWS Private CA: a CSR in, a leaf out that is fit to be stored and sent.

Source: "AWS Private CA API Reference", IssueCertificate and GetCertificate. Issuing is asynchronous and takes seconds.
"""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NoReturn

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from salesforce_keypair.aws_refusal import code_of, may_pass, words_of
from salesforce_keypair.errors import InvalidSecret, SecretUnavailable
from salesforce_keypair.json_text import GARBLED, typed
from salesforce_keypair.keypair import MAX_CERTIFICATE_BYTES, Certificate, SigningRequest, UnusableKey
from salesforce_keypair.timing import CLOCKS_DIFFER_SECONDS, Clock, Deadline

if TYPE_CHECKING:
    from mypy_boto3_acm_pca import ACMPCAClient

# The SDK's own waiter gives up after as long.
_ISSUING_SECONDS = 180.0
_PAUSE_SECONDS = 1.0
# For logging in only: whoever got hold of the key can't be a TLS server with its certificate.
_TEMPLATE = "arn:{partition}:acm-pca:::template/EndEntityClientAuthCertificate/V1"
# Its clock may be ahead of ours.
_CLOCKS_DIFFER = timedelta(seconds=CLOCKS_DIFFER_SECONDS)
_LONGEST_CHAIN = 10

_IN_PROGRESS = "RequestInProgressException"
_SEE_AUTHORITY = "see the certificate authority that certificateAuthorityArn names"
# What is wrong with the document or with the authority itself, and stays so until somebody changes it.
_WRONG = {
    "ResourceNotFoundException": "correct certificateAuthorityArn: account, Region and id of an authority that exists",
    "InvalidArnException": "correct certificateAuthorityArn",
    "InvalidStateException": "enable the certificate authority, or name an active one in certificateAuthorityArn",
    "InvalidArgsException": "name an authority with an RSA key, and a certificateValidityDays that ends before its own",
    "ValidationException": "name an authority with an RSA key, and a certificateValidityDays that ends before its own",
    "MalformedCSRException": "name an authority that signs RSA keys of the length that keyAlgorithm says",
    "RequestFailedException": _SEE_AUTHORITY,
}
_REMEDIES = {
    "AccessDeniedException": (
        "allow acm-pca:IssueCertificate and acm-pca:GetCertificate in the function's role (the template's parameter "
        "CertificateAuthorityArn), and in the authority's policy if it is another account's"
    ),
    "LimitExceededException": "raise the quota of certificates of the authority, or name another one",
}
_PASSING = frozenset({"ThrottlingException", "InternalFailure", "ServiceUnavailable", "RequestTimeout"})


class PrivateCa:
    """Certificate authorities in AWS Private CA; `client` makes a client for a Region, when it is needed."""

    def __init__(self, client: Callable[[str], "ACMPCAClient"], clock: Clock) -> None:
        self._client = client
        self._clock = clock

    def sign(self, request: SigningRequest, *, authority_arn: str, deadline: Deadline) -> Certificate:
        """The leaf that the authority issues, checked down from the authority's own certificate.

        Raises InvalidSecret for what the document or the authority must change, SecretUnavailable where AWS fails.
        """
        _, partition, _, region, *_ = authority_arn.split(":")
        client = self._client(region)
        # A request whose answer was lost is made again by the SDK, and must not be paid for twice. No two are alike
        # otherwise: each is for a key of its own.
        token = hashlib.sha256(request.pem.encode()).hexdigest()[:32]
        try:
            issued = client.issue_certificate(
                CertificateAuthorityArn=authority_arn,
                Csr=request.pem.encode(),
                SigningAlgorithm="SHA256WITHRSA",
                TemplateArn=_TEMPLATE.format(partition=partition),
                Validity={"Value": request.validity_days, "Type": "DAYS"},
                IdempotencyToken=token,
            )
            arn = typed(issued["CertificateArn"], str)
            answer = self._wait_for(client, authority_arn, arn, deadline)
            pem, chain = typed(answer["Certificate"], str), typed(answer.get("CertificateChain", ""), str)
        except ClientError as error:
            _raise_refusal(error)
        except BotoCoreError as error:
            raise SecretUnavailable(
                f"AWS Private CA didn't answer ({type(error).__name__})",
                remedy="try again; in a VPC, give the function a route or an endpoint to AWS Private CA",
                retryable=True,
            ) from error
        except (ResponseParserError, *GARBLED) as error:
            raise SecretUnavailable(
                f"AWS Private CA's answer can't be understood ({type(error).__name__})",
                remedy="try again; if it lasts, see whether a proxy stands in between",
                retryable=True,
            ) from error
        return _checked(pem, chain, request, datetime.fromtimestamp(self._clock.time(), UTC))

    def _wait_for(self, client: "ACMPCAClient", authority_arn: str, arn: str, deadline: Deadline) -> Any:
        patience = deadline.within(_ISSUING_SECONDS)
        while True:
            try:
                return client.get_certificate(CertificateAuthorityArn=authority_arn, CertificateArn=arn)
            except ClientError as error:
                if code_of(error) != _IN_PROGRESS:
                    raise
                if patience.remaining() <= _PAUSE_SECONDS:
                    raise SecretUnavailable(
                        "AWS Private CA hasn't issued the certificate in time",
                        remedy="the next delivery asks for another one; if it lasts, see the certificate authority",
                        retryable=True,
                    ) from error
            self._clock.sleep(_PAUSE_SECONDS)


def _checked(pem: str, chain: str, request: SigningRequest, now: datetime) -> Certificate:
    """The leaf, if it is for our key, valid, small enough and certified by the chain. Raises InvalidSecret."""
    try:
        certificate = Certificate.parse(pem)
        _check_size(certificate)
        _check_chain([x509.load_pem_x509_certificate(pem.encode()), *_certificates(chain)], now)
    except UnusableKey as error:
        raise _unfit(str(error)) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _unfit("it or its chain can't be read") from error
    if certificate.key_fingerprint != request.key_fingerprint:
        raise _unfit("it is for another key")
    return certificate


def _check_size(certificate: Certificate) -> None:
    if len(certificate.pem) > MAX_CERTIFICATE_BYTES:
        raise InvalidSecret(
            f"the certificate by the authority exceeds the {MAX_CERTIFICATE_BYTES} bytes that Salesforce takes",
            remedy="choose a smaller keyAlgorithm, or an authority with shorter names and fewer extensions",
        )


def _check_chain(chain: list[x509.Certificate], now: datetime) -> None:
    """See that each certificate was issued by the next, up to the authority's and those above it, and is valid now."""
    if not 2 <= len(chain) <= _LONGEST_CHAIN:
        raise _unfit("it came without the authority's certificate, or with a chain that has no end")
    for number, certificate in enumerate(chain):
        if not certificate.not_valid_before_utc - _CLOCKS_DIFFER <= now < certificate.not_valid_after_utc:
            raise _unfit("it isn't valid now" if number == 0 else "an authority above it isn't valid now")
        if _is_authority(certificate) != (number > 0):
            raise _unfit("it may issue others" if number == 0 else "a certificate above it may issue none")
    for certificate, issuer in pairwise(chain):
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature) as error:
            raise _unfit("its chain doesn't hold together") from error


def _certificates(chain: str) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(chain.encode()) if chain.strip() else []


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _unfit(why: str) -> InvalidSecret:
    return InvalidSecret(f"the certificate that the authority issued can't be used, {why}", remedy=_SEE_AUTHORITY)


def _raise_refusal(error: ClientError) -> NoReturn:
    code = code_of(error)
    what = f"AWS Private CA refused {error.operation_name} with {words_of(error)}"
    if code in _WRONG:
        raise InvalidSecret(what, remedy=_WRONG[code]) from error
    raise SecretUnavailable(
        what,
        remedy=_REMEDIES.get(code, "try again; see AWS's health page if it lasts"),
        retryable=code in _PASSING or may_pass(error),
    ) from error
