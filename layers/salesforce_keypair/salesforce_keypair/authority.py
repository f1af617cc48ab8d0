"""Who may change an app: the admin whose secret the document names."""

from salesforce_keypair.credential import ClientCredentials, Credential, parse_admin
from salesforce_keypair.errors import HostNotAllowed, InvalidSecret
from salesforce_keypair.salesforce.hosts import Hosts
from salesforce_keypair.salesforce.login import SalesforceLogin, Session
from salesforce_keypair.secret_store import CURRENT, SecretsManager
from salesforce_keypair.timing import Deadline


class AdminAuthority:
    """Logs in as the admin of a credential's app."""

    def __init__(self, *, store: SecretsManager, login: SalesforceLogin, hosts: Hosts) -> None:
        self._store = store
        self._login = login
        self._hosts = hosts

    def session(self, credential: Credential, *, deadline: Deadline) -> Session:
        """A session that may change the app. Raises what reading the admin's secret or logging in ends with."""
        admin = self._admin_of(credential)
        if isinstance(admin, ClientCredentials):
            return self._login.client_credentials(admin, deadline=deadline)
        return self._login.jwt_bearer(admin, deadline=deadline)

    def _admin_of(self, credential: Credential) -> ClientCredentials | Credential:
        if credential.admin_secret_arn is None:
            raise InvalidSecret("adminSecretArn is missing", remedy="name the secret of the admin's credential")
        value = self._store.read_labelled(credential.admin_secret_arn, CURRENT)
        if value is None:
            raise InvalidSecret(
                "the secret that adminSecretArn names has no value, or isn't there",
                remedy="store the admin's credential in it, or correct adminSecretArn",
            )
        try:
            admin = parse_admin(value.text, hosts=self._hosts)
        except (InvalidSecret, HostNotAllowed) as error:
            raise type(error)(f"in the admin's secret, {error.what}", remedy=error.remedy) from error
        if admin.base_uri != credential.base_uri:
            # An app of the same name in another org would get the certificate.
            raise InvalidSecret(
                "the admin's secret and this one name different orgs",
                remedy="set baseUri to the same My Domain in both",
            )
        return admin
