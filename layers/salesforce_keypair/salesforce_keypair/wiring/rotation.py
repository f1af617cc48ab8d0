"""The rotation function's parts."""

from collections.abc import Callable, Sequence

from salesforce_keypair.authority import Authority
from salesforce_keypair.bridge import Bridge
from salesforce_keypair.credential import AppType, Credential
from salesforce_keypair.errors import InvalidSecret
from salesforce_keypair.rotation import Rotation
from salesforce_keypair.salesforce.app_certificate import CONNECTED_APP, EXTERNAL_CLIENT_APP, AppCertificate
from salesforce_keypair.salesforce.login import SalesforceLogin
from salesforce_keypair.salesforce.metadata import MetadataApi
from salesforce_keypair.salesforce.transport import Transport
from salesforce_keypair.settings import Settings
from salesforce_keypair.settling import SettlingRule
from salesforce_keypair.timing import Clock, Deadline
from salesforce_keypair.wiring.aws import secrets_manager, shared_tokens

_KINDS = {AppType.EXTERNAL_CLIENT_APP: EXTERNAL_CLIENT_APP, AppType.CONNECTED_APP: CONNECTED_APP}


def build_rotation(settings: Settings, clock: Clock, *, table_failed: Callable[[], None]) -> Rotation:
    """A rotation over Secrets Manager and Salesforce. `table_failed` hears of DynamoDB's failures."""
    store = secrets_manager()
    transport = Transport()
    login = SalesforceLogin(transport=transport, hosts=settings.hosts, clock=clock)
    authority = Authority(store=store, login=login, hosts=settings.hosts)

    def open_app(credential: Credential, own_keys: Sequence[Credential], deadline: Deadline) -> AppCertificate:
        if credential.app_name is None:
            raise InvalidSecret("appName is missing", remedy="add the API name of the app that holds the certificate")
        api = MetadataApi(
            transport=transport,
            clock=clock,
            authorize=lambda: authority.session(credential, own_keys, deadline=deadline),
            api_version=credential.api_version,
            deadline=deadline,
        )
        return AppCertificate(api=api, kind=_KINDS[credential.app_type], app_name=credential.app_name, clock=clock)

    return Rotation(
        store=store,
        open_app=open_app,
        prove=lambda credential, deadline: login.prove(credential, deadline=deadline),
        bridge=Bridge(
            shared=shared_tokens(settings, clock, failed=table_failed),
            login=login.jwt_bearer,
            token_lifetime=settings.token_lifetime,
            clock=clock,
        ),
        parse=lambda text: Credential.parse(text, hosts=settings.hosts),
        rule=SettlingRule(
            logins=settings.settled_logins, interval=settings.settled_interval, patience=settings.settling
        ),
        clock=clock,
    )
