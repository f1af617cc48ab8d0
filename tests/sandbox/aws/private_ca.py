"""AWS Private CA: moto's authorities, behind the checks and the waiting that moto leaves out.

Sources: "AWS Private CA API Reference" and botocore's model of the service. Authorities are made by the test; of the
API there is what the functions use.
"""

import base64
import binascii
import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from cryptography import x509

from tests.sandbox.aws import json_protocol, shapes
from tests.sandbox.aws.api_error import ApiError
from tests.sandbox.aws.http_server import Request, Response

if TYPE_CHECKING:
    from tests.sandbox.aws.moto_authorities import Authority, MotoAuthorities

_TARGET = "ACMPrivateCA."
_TEMPLATES = re.compile(r"arn:aws:acm-pca:::template/EndEntity(ClientAuth|ServerAuth)?Certificate/V1")


class PrivateCa:
    """The service. Safe for threads.

    `now` is where time comes from, epoch seconds. `asks_before_issued` is how often GetCertificate says that the
    certificate is still being made. `tamper` changes what GetCertificate answers, for tests of who believes it.
    """

    def __init__(self) -> None:
        self.now: Callable[[], float] = time.time
        self.asks_before_issued = 1
        self.tamper: Callable[[str, str], tuple[str, str]] = lambda leaf, chain: (leaf, chain)
        self._lock = threading.RLock()
        self._made: MotoAuthorities | None = None
        self._by_token: dict[tuple[str, str], tuple[bytes, str]] = {}
        self._asks_left: dict[str, int] = {}

    def create(self, name: str = "Acme") -> str:
        """Make a root authority that is active, valid for ten years from now; returns its ARN."""
        with self._lock:
            return self._authorities().create(name, self.now()).arn

    def disable(self, arn: str) -> None:
        """Let an authority issue nothing more."""
        with self._lock:
            self._authority(arn).status = "DISABLED"

    def certificate(self, arn: str) -> x509.Certificate:
        """An authority's own certificate."""
        with self._lock:
            return x509.load_pem_x509_certificate(self._authority(arn).certificate_bytes)

    # The wire protocol

    def read(self, request: Request) -> tuple[str, Mapping[str, Any]]:
        """The operation and its parameters, checked against AWS's model. Raises ApiError."""
        operation, parameters = json_protocol.read(request, service="acm-pca", target=_TARGET, title="AWS Private CA")
        shapes.check("acm-pca", operation, parameters)
        return operation, parameters

    def perform(self, operation: str, parameters: Mapping[str, Any]) -> Response:
        """Do it. Raises ApiError."""
        operations = {"IssueCertificate": self._issue, "GetCertificate": self._get}
        if operation not in operations:
            raise ApiError("NotImplementedException", f"This local AWS Private CA has no {operation}.", status=501)
        with self._lock:
            answer = operations[operation](parameters)
        return Response(200, json.dumps(answer).encode(), {"Content-Type": "application/x-amz-json-1.1"})

    def refusal(self, error: ApiError) -> Response:
        """The answer by which it refuses."""
        return error.response()

    def _issue(self, parameters: Mapping[str, Any]) -> Mapping[str, str]:
        authority = self._authority(parameters["CertificateAuthorityArn"])
        if authority.status != "ACTIVE":
            raise ApiError("InvalidStateException", f"The certificate authority is in the state {authority.status}.")
        if parameters["SigningAlgorithm"] != "SHA256WITHRSA" or parameters["Validity"]["Type"] != "DAYS":
            raise ApiError(
                "InvalidArgsException", "The algorithm or the kind of validity isn't one that is known here."
            )
        template = parameters.get("TemplateArn")
        if template is not None and not _TEMPLATES.fullmatch(template):
            raise ApiError("InvalidArnException", "The template isn't known.")
        ends = self.now() + 86_400 * parameters["Validity"]["Value"]
        if ends > x509.load_pem_x509_certificate(authority.certificate_bytes).not_valid_after_utc.timestamp():
            raise ApiError(
                "ValidationException", "The certificate validity specified exceeds the certificate authority validity."
            )
        try:
            csr = base64.b64decode(parameters["Csr"], validate=True)
            x509.load_pem_x509_csr(csr)
        except (ValueError, binascii.Error) as error:
            raise ApiError("MalformedCSRException", "The CSR can't be read.") from error
        token = (authority.arn, parameters.get("IdempotencyToken", ""))
        made = self._by_token.get(token)
        # "If you call IssueCertificate multiple times with the same idempotency token within five minutes, AWS Private
        # CA recognizes that you are requesting only one certificate."
        if made is None or made[0] != csr or not token[1]:
            arn = authority.issue(csr, template, now=self.now(), ends=ends)
            self._asks_left[arn] = self.asks_before_issued
            made = self._by_token[token] = (csr, arn)
        return {"CertificateArn": made[1]}

    def _get(self, parameters: Mapping[str, Any]) -> Mapping[str, str]:
        authority, arn = self._authority(parameters["CertificateAuthorityArn"]), parameters["CertificateArn"]
        if arn not in authority.issued_certificates:
            raise ApiError("ResourceNotFoundException", "There is no such certificate.")
        if self._asks_left[arn] > 0:
            self._asks_left[arn] -= 1
            raise ApiError("RequestInProgressException", "The request to issue the certificate is in progress.")
        leaf, chain = authority.get_certificate(arn)
        leaf_text, chain_text = self.tamper(leaf.decode(), chain.decode())
        return {"Certificate": leaf_text, "CertificateChain": chain_text}

    def issued(self, arn: str) -> int:
        """How many certificates an authority has issued."""
        with self._lock:
            return len(self._authority(arn).issued_certificates)

    def _authority(self, arn: str) -> "Authority":
        authority = self._authorities().find(arn)
        if authority is None:
            raise ApiError("ResourceNotFoundException", "There is no such certificate authority.")
        return authority

    def _authorities(self) -> "MotoAuthorities":
        if self._made is None:
            # A third of a second, which those who need no authority don't pay.
            from tests.sandbox.aws.moto_authorities import MotoAuthorities

            self._made = MotoAuthorities()
        return self._made
