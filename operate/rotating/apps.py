"""What the apps of a secret hold: the one in use, and its standby where there is one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from operate.rotating.looking import Looked, Version, shown
from salesforce_keypair.credential import Credential
from salesforce_keypair.errors import KeyPairError
from salesforce_keypair.salesforce.app_certificate import Installed
from salesforce_keypair.seams import OpenApp
from salesforce_keypair.timing import Deadline

_BY_HAND = (
    "isn't looked into: a person installs its certificates (installation manual) and no adminSecretArn names who may "
    "look; by its logins `doctor` tells whose certificate it holds"
)


@dataclass(frozen=True, slots=True)
class Holding:
    """What an app holds: `version` is the labelled one whose key it is; `unread` says that nobody looked, and why."""

    app_name: str
    installed: Installed | None
    version: Version | None
    unread: str | None

    def holds(self, version: Version) -> bool:
        """Whether it is that version's key, which other versions may have as well."""
        return (
            self.installed is not None
            and version.certificate is not None
            and version.certificate.same_key(self.installed.certificate)
        )

    @property
    def text(self) -> str:
        """For a person."""
        if self.installed is None:
            return str(self.unread)
        if not self.installed.shown:
            return "shows no certificate: it holds none, or doesn't show it"
        fingerprint = shown(self.installed.certificate)
        if self.version is None:
            return f"holds a certificate of no labelled version ({fingerprint})"
        return f"holds the certificate of {', '.join(sorted(self.version.labels))} ({fingerprint})"


def holdings(looked: Looked, open_app: OpenApp, deadline: Deadline) -> list[Holding]:
    """What each app of AWSCURRENT's document holds. Raises InvalidSecret where that can't be used."""
    _, current = looked.current()
    own_keys = [version.key.credential for version in looked.versions if version.key is not None]
    return [_holding(looked, app, own_keys, open_app, deadline) for app in apps_of(current)]


def apps_of(credential: Credential) -> list[Credential]:
    """The document as it stands for each of its apps, the one in use first."""
    standby = credential.standby
    if standby is None:
        return [credential]
    return [credential, replace(credential, app_name=standby.app_name, consumer_key=standby.consumer_key)]


def _holding(
    looked: Looked, app: Credential, own_keys: Sequence[Credential], open_app: OpenApp, deadline: Deadline
) -> Holding:
    name = app.app_name or "(appName is missing)"
    if app.admin_secret_arn is None and not app.own_user_installs:
        # The own user has no right to look, where a person installs.
        return Holding(name, None, None, _BY_HAND)
    try:
        installed = open_app(app, own_keys, deadline).installed()
    except KeyPairError as error:
        return Holding(name, None, None, f"can't be read: {error}")
    found = Holding(name, installed, None, None)
    return replace(found, version=next((version for version in looked.versions if found.holds(version)), None))
