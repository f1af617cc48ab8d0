"""Salesforce's side of the functions: how to log in, and how to open an app."""

from collections.abc import Callable, Sequence

from salesforce_keypair.authority import Authority
from salesforce_keypair.credential import AppType, Credential
from salesforce_keypair.errors import InvalidSecret
from salesforce_keypair.salesforce.app_certificate import CONNECTED_APP, EXTERNAL_CLIENT_APP, AppCertificate
from salesforce_keypair.salesforce.hosts import Hosts
from salesforce_keypair.salesforce.login import SalesforceLogin
from salesforce_keypair.salesforce.metadata import MetadataApi
from salesforce_keypair.salesforce.session import Session
from salesforce_keypair.salesforce.transport import Transport
from salesforce_keypair.secret_store import SecretsManager
from salesforce_keypair.timing import Clock, Deadline

_KINDS = {AppType.EXTERNAL_CLIENT_APP: EXTERNAL_CLIENT_APP, AppType.CONNECTED_APP: CONNECTED_APP}


def app_opener(
    *, store: SecretsManager, transport: Transport, login: SalesforceLogin, hosts: Hosts, clock: Clock
) -> Callable[[Credential, Sequence[Credential], Deadline], AppCertificate]:
    """What opens the app of a credential, as the authority that may change it. Nothing is called before it is used."""
    authority = Authority(store=store, login=login, hosts=hosts)

    def open_app(credential: Credential, own_keys: Sequence[Credential], deadline: Deadline) -> AppCertificate:
        return app_seen_by(
            lambda: authority.session(credential, own_keys, deadline=deadline),
            credential,
            transport=transport,
            clock=clock,
            deadline=deadline,
        )

    return open_app


def app_seen_by(
    authorize: Callable[[], Session],
    credential: Credential,
    *,
    transport: Transport,
    clock: Clock,
    deadline: Deadline,
) -> AppCertificate:
    """The app of a credential, as whoever logs in so sees it. Raises InvalidSecret where the document names none."""
    if credential.app_name is None:
        raise InvalidSecret("appName is missing", remedy="add the API name of the app that holds the certificate")
    api = MetadataApi(
        transport=transport,
        clock=clock,
        authorize=authorize,
        api_version=credential.api_version,
        deadline=deadline,
    )
    return AppCertificate(api=api, kind=_KINDS[credential.app_type], app_name=credential.app_name, clock=clock)
