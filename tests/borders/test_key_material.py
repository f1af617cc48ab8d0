"""Keys and certificates that were cut, changed or mixed up: read right or refused, and never quoted."""

import base64
from collections.abc import Callable, Mapping
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from salesforce_keypair.keypair import Certificate, PrivateKey, UnusableKey
from tests.borders.counting import examples
from tests.borders.judge import value_or_error
from tests.borders.odd import scratched
from tests.integration.org_client import certificate_of, key_pair
from tests.scenarios.leaks import Searcher


@cache
def _secrets() -> Searcher:
    searcher = Searcher()
    searcher.know_key(key_pair().key)
    return searcher


@cache
def _private_forms() -> tuple[bytes, ...]:
    """Private keys as files have them, DER among them; only RSA's are any use."""
    key, weak = key_pair().key, rsa.generate_private_key(public_exponent=65537, key_size=1024)
    rsa_forms = [
        (form, layout)
        for form in (Encoding.PEM, Encoding.DER)
        for layout in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL)
    ]
    return (
        *(key.private_bytes(form, layout, NoEncryption()) for form, layout in rsa_forms),
        *(key.private_bytes(form, layout, NoEncryption()) for form, layout in rsa_forms[:2]),
        key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"hunter2")),
        key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"hunter2")),
        ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        weak.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        key_pair().pem.encode(),
    )


@cache
def _certificate_forms() -> tuple[bytes, ...]:
    """Certificates in PEM and DER; the last of them are no use."""
    right, padded = key_pair(), certificate_of(key_pair().key, padding=2_000)
    elliptic = certificate_of(ec.generate_private_key(ec.SECP256R1()))
    forms = [
        made.public_bytes(form)
        for made in (right.certificate, padded, elliptic)
        for form in (Encoding.PEM, Encoding.DER)
    ]
    return (
        *forms,
        *forms[:2],
        right.pem.encode() * 2,
        right.private_pem.encode(),
        _private_forms()[0] + right.pem.encode(),
    )


_WRAPPED: Mapping[str, Callable[[bytes], str]] = {
    "as it is": lambda content: content.decode("latin-1"),
    "base64": lambda content: base64.b64encode(content).decode(),
    "base64 in lines": lambda content: base64.encodebytes(content).decode(),
    "base64 for URLs": lambda content: base64.urlsafe_b64encode(content).decode(),
    "base64 twice": lambda content: base64.b64encode(base64.b64encode(content)).decode(),
    "line ends spelt out": lambda content: content.decode("latin-1").replace("\n", "\\n"),
    "one line": lambda content: content.decode("latin-1").replace("\n", ""),
    "CRLF": lambda content: content.decode("latin-1").replace("\n", "\r\n"),
    "indented": lambda content: "  " + content.decode("latin-1").replace("\n", "\n  "),
    "hex": lambda content: content.hex(),
}


@st.composite
def _changed(draw: st.DrawFn, forms: tuple[bytes, ...]) -> str:
    """One of the forms, with some bytes or letters changed."""
    content = draw(st.sampled_from(forms))
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(content)))
        content = content[:place] + draw(st.binary(max_size=3)) + content[place + draw(st.integers(0, 3)) :]
    text = _WRAPPED[draw(st.sampled_from(sorted(_WRAPPED)))](content)
    return draw(scratched(text)) if draw(st.integers(0, 2)) == 0 else text


_private_keys = st.deferred(lambda: _changed(_private_forms())) | st.text(max_size=100)
_certificates = st.deferred(lambda: _changed(_certificate_forms())) | st.text(max_size=100)


@given(text=_private_keys)
@examples(6_000)
def test_any_text_for_a_private_key(text: str) -> None:
    key = value_or_error(lambda: PrivateKey.parse(text, checked=False), secrets=_secrets(), errors=(UnusableKey,))

    if key is not None:
        assert key.rsa_key.key_size >= 2048
        assert _secrets().find(repr(key)) == set()
        assert len(key.key_fingerprint()) == 64


@given(text=_private_keys)
@examples(300)
def test_any_text_for_a_private_key_that_is_checked_is_a_key_that_signs_or_none(text: str) -> None:
    key = value_or_error(lambda: PrivateKey.parse(text, checked=True), secrets=_secrets(), errors=(UnusableKey,))

    assert (
        key is None
        or key.key_fingerprint() == PrivateKey.parse(key_pair().private_pem, checked=False).key_fingerprint()
    )


@given(text=_certificates)
@examples(6_000)
def test_any_text_for_a_certificate(text: str) -> None:
    certificate = value_or_error(lambda: Certificate.parse(text), secrets=_secrets(), errors=(UnusableKey,))

    if certificate is not None:
        assert Certificate.parse(certificate.pem) == certificate, "what was read reads the same again"
        assert _secrets().find(repr(certificate)) == set()
        assert certificate.not_after.isoformat()
