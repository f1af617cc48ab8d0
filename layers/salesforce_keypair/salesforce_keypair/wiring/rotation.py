"""The rotation function's parts."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import boto3

from salesforce_keypair.bridge import Bridge
from salesforce_keypair.certificate_authority import PrivateCa
from salesforce_keypair.credential import Credential
from salesforce_keypair.notices import Topic, no_topic
from salesforce_keypair.rotation import Rotation
from salesforce_keypair.salesforce.login import SalesforceLogin
from salesforce_keypair.salesforce.transport import Transport
from salesforce_keypair.seams import Notify
from salesforce_keypair.settings import Settings
from salesforce_keypair.settling import SettlingRule
from salesforce_keypair.timing import Clock
from salesforce_keypair.wiring.apps import app_opener
from salesforce_keypair.wiring.aws import CONFIG, secrets_manager, shared_tokens

if TYPE_CHECKING:
    from mypy_boto3_acm_pca import ACMPCAClient


def build_rotation(settings: Settings, clock: Clock, *, table_failed: Callable[[], None]) -> Rotation:
    """A rotation over Secrets Manager and Salesforce. `table_failed` hears of DynamoDB's failures."""
    store = secrets_manager()
    transport = Transport()
    login = SalesforceLogin(transport=transport, hosts=settings.hosts, clock=clock)
    return Rotation(
        store=store,
        open_app=app_opener(store=store, transport=transport, login=login, hosts=settings.hosts, clock=clock),
        prove=lambda credential, deadline: login.prove(credential, deadline=deadline),
        bridge=Bridge(
            shared=shared_tokens(settings, clock, failed=table_failed),
            login=login.jwt_bearer,
            token_lifetime=settings.token_lifetime,
            clock=clock,
        ),
        authority=PrivateCa(_private_ca, clock),
        notify=_notifier(settings),
        parse=lambda text: Credential.parse(text, hosts=settings.hosts),
        rule=SettlingRule(
            logins=settings.settled_logins, interval=settings.settled_interval, patience=settings.settling
        ),
        clock=clock,
    )


def _notifier(settings: Settings) -> Notify:
    """What tells people, if there is a topic for it."""
    if settings.notification_topic is None:
        return no_topic
    return Topic(boto3.client("sns", config=CONFIG), settings.notification_topic)


def _private_ca(region: str) -> "ACMPCAClient":
    """AWS Private CA. Made when a document names an authority, for most never do."""
    return boto3.client("acm-pca", region_name=region, config=CONFIG)
