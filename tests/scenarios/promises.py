"""The promises of a rotation, held up against the world whenever a test wants: before, between and after deliveries."""

import traceback
from functools import lru_cache

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from salesforce_keypair.errors import KeyPairError
from tests.sandbox.org import Kind
from tests.sandbox.org.xmltree import Element
from tests.scenarios.support import Held, Stage
from tests.unit.support import header_of


class Promises:
    """What was there when the stage was set, to be compared with what is there now."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._apps = apps_but_certificates(stage)
        self._values = _values(stage)
        # A key that an earlier rotation left, which had its own proof.
        self._proved_before = stage.labelled("AWSCURRENT").fingerprint

    def hold(self) -> None:
        """Check all of them; what a failed assertion names is the promise that was broken."""
        self._some_labelled_version_logs_in()
        self._current_is_proved()
        self.material_stays()
        assert apps_but_certificates(self._stage) == self._apps, "something but a certificate changed in an app"

    def _some_labelled_version_logs_in(self) -> None:
        versions = self._stage.versions()
        if any(self._stage.logs_in(version) for version in versions if version.labels):
            return
        honoured = any(self._stage.logs_in(version) for version in versions if not version.labels)
        assert not honoured, "Salesforce honours a version of the secret that no label leads to"

    def _current_is_proved(self) -> None:
        current = self._stage.labelled("AWSCURRENT")
        if current.pair is None or current.fingerprint == self._proved_before:
            return
        assert has_logged_in(self._stage, current), "AWSCURRENT was never seen to log in"

    def material_stays(self) -> None:
        """The third promise alone."""
        now = _values(self._stage)
        for version_id, text in self._values.items():
            assert now.get(version_id) == text, f"the material under {version_id} changed"
        self._values = now


class InUse:
    """The app in use and its key, which nothing may touch."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._version = stage.labelled("AWSCURRENT")
        app = stage.world.org.app_of(self._version.document["consumerKey"])
        assert app is not None
        self._app = app
        self._component = app.component()
        self._secret = app.consumer_secret

    def is_untouched(self) -> None:
        """Element for element, the certificate included; no deploy, not even a rehearsal, has named it."""
        assert self._app.component() == self._component
        assert self._app.consumer_secret == self._secret
        assert self._stage.logs_in(self._version)
        # A zip archive has the names of its files in the clear.
        file = f"/{self._app.full_name}.".encode()
        assert not any(file in entry.body for entry in self._stage.world.org.log.entries(Kind.DEPLOY))


def apps_but_certificates(stage: Stage) -> object:
    """All apps, to the last element, but for what a rotation is to change."""

    def kept(element: Element) -> object:
        # A Connected App has the certificate within a member of the component.
        children = tuple(kept(child) for child in element.children if child.name != "certificate")
        return (element.name, element.text, element.attributes, children)

    return [
        (
            app.name,
            # The admin's own is anybody's to change.
            app.consumer_secret if app.client_credentials_user is None else None,
            [kept(member) for member in app.component() if member.name != "certificate"],
        )
        for app in stage.world.org.apps
    ]


def _values(stage: Stage) -> dict[str, str]:
    return {version.version_id: version.text for version in stage.versions() if version.text is not None}


def has_logged_in(stage: Stage, version: Held) -> bool:
    """Whether the org has given the rotation, and not an outsider, a token for an assertion signed by that key."""
    pair = version.pair
    assert pair is not None
    public_key = pair.certificate.public_key()
    assert isinstance(public_key, rsa.RSAPublicKey)
    key = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return any(
        entry.outcome == "accepted"
        and header_of(entry.headers, "User-Agent") != "outsider"
        and _is_signed_by(key, entry.body)
        for entry in stage.world.org.log.entries(Kind.TOKEN)
    )


# The same few are asked about again after each event.
@lru_cache(maxsize=1024)
def _is_signed_by(key: bytes, body: bytes) -> bool:
    public_key = serialization.load_der_public_key(key)
    assert isinstance(public_key, rsa.RSAPublicKey)
    assertion = body.decode().partition("assertion=")[2].partition("&")[0]
    try:
        jwt.decode(assertion, public_key, ["RS256"], options={"verify_aud": False, "verify_exp": False})
    except jwt.PyJWTError:
        return False
    return True


def assert_tells_what_to_do(error: KeyPairError) -> None:
    """A named error: its text says what happened and what a person does next, and none of it is a secret."""
    assert error.what
    assert error.remedy
    assert str(error) == f"{error.what}: {error.remedy}"
    whole = "".join(traceback.format_exception(error))
    assert "PRIVATE KEY" not in whole
    assert "eyJ" not in whole, "an assertion or a token"
