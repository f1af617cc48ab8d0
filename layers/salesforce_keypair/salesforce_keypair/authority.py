"""Who may change an app: the admin whose secret the document names, or else the key pair's own user."""

from collections.abc import Sequence

from salesforce_keypair.credential import ClientCredentials, Credential, parse_admin
from salesforce_keypair.errors import HostNotAllowed, InvalidSecret, KeyPairError, LoginRefused
from salesforce_keypair.salesforce.hosts import Hosts
from salesforce_keypair.salesforce.login import SalesforceLogin
from salesforce_keypair.salesforce.session import Session
from salesforce_keypair.secret_store import CURRENT, SecretsManager
from salesforce_keypair.timing import Deadline


class Authority:
    """Logs in as whoever may change a credential's app."""

    def __init__(self, *, store: SecretsManager, login: SalesforceLogin, hosts: Hosts) -> None:
        self._store = store
        self._login = login
        self._hosts = hosts

    def session(self, credential: Credential, own_keys: Sequence[Credential], *, deadline: Deadline) -> Session:
        """A session that may change the app. Raises what reading the admin's secret or logging in ends with.

        Without an admin the own user logs in with the first of `own_keys` that Salesforce honours: around a change of
        the certificate that may be either key.
        """
        if credential.own_user_installs:
            return self._own_session(own_keys, deadline)
        admin = self._admin_of(credential)
        if isinstance(admin, ClientCredentials):
            return self._login.client_credentials(admin, deadline=deadline)
        return self._login.jwt_bearer(admin, deadline=deadline)

    def _own_session(self, own_keys: Sequence[Credential], deadline: Deadline) -> Session:
        refusal: KeyPairError = InvalidSecret(
            "adminSecretArn is missing, and there is no key to log in with", remedy="name an admin's secret"
        )
        for key in own_keys:
            try:
                return self._login.jwt_bearer(key, deadline=deadline)
            except LoginRefused as error:
                if not error.retryable:
                    raise
                refusal = error
        raise refusal

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
        if isinstance(admin, Credential):
            _check_key_pair_of(admin, credential)
        return admin


def _check_key_pair_of(admin: Credential, credential: Credential) -> None:
    if admin.private_key is None:
        raise InvalidSecret(
            "the admin's secret holds neither consumerSecret nor privateKey",
            remedy="store an admin's client credentials or key pair in it",
        )
    if admin.same_app(credential):
        raise InvalidSecret(
            "adminSecretArn names a key pair of the very app whose certificate is replaced, which the change locks out",
            remedy="name an admin of another app, or leave adminSecretArn out if there is none",
        )
