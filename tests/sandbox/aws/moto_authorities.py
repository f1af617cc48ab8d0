"""moto's certificate authorities without its patching of boto3, on a clock and with the validity that is asked for."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from moto.acmpca.models import CertificateAuthority

from tests.sandbox.aws.gateway import ACCOUNT, REGION

_ROOT = "arn:aws:acm-pca:::template/RootCACertificate/V1"
_YEARS = timedelta(days=3650)
# AWS's, too, are valid from an hour ago.
_BACKDATING = timedelta(hours=1)


class Authority(CertificateAuthority):
    """One authority. moto gives all certificates a year from the machine's own now; the rest is moto's."""

    _validity: tuple[datetime, datetime]

    def issue(self, csr: bytes, template: str | None, *, now: float, ends: float) -> str:
        """Issue a certificate; returns its ARN."""
        self._validity = (datetime.fromtimestamp(now, UTC) - _BACKDATING, datetime.fromtimestamp(ends, UTC))
        return self.issue_certificate(base64.b64encode(csr), template)

    def generate_cert(
        self, subject: x509.Name, public_key: rsa.RSAPublicKey, extensions: list[tuple[x509.ExtensionType, bool]]
    ) -> bytes:
        """In place of moto's."""
        begins, ends = self._validity
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.issuer)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)


class MotoAuthorities:
    """The authorities of one account. Not safe for threads."""

    def __init__(self) -> None:
        self._authorities: dict[str, Authority] = {}

    def create(self, name: str, now: float) -> Authority:
        """Make an active root authority."""
        configuration: dict[str, Any] = {"Subject": {"Organization": name, "CommonName": f"{name} Root"}}
        authority = Authority(REGION, ACCOUNT, configuration, "ROOT", {}, None)
        ends = (datetime.fromtimestamp(now, UTC) + _YEARS).timestamp()
        own = authority.issue(authority.csr, _ROOT, now=now, ends=ends)
        authority.import_certificate_authority_certificate(authority.issued_certificates.pop(own), None)
        self._authorities[authority.arn] = authority
        return authority

    def find(self, arn: str) -> Authority | None:
        """The authority with that ARN, if there is one."""
        return self._authorities.get(arn)
