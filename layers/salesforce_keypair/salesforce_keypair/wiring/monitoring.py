"""The key monitor's parts."""

import boto3
from botocore.config import Config

from salesforce_keypair.credential import Credential
from salesforce_keypair.monitoring import KeyMonitor
from salesforce_keypair.salesforce.login import SalesforceLogin
from salesforce_keypair.salesforce.transport import Transport
from salesforce_keypair.settings import Settings
from salesforce_keypair.timing import Clock
from salesforce_keypair.vend_check import InvokedVendor
from salesforce_keypair.wiring.apps import app_opener
from salesforce_keypair.wiring.aws import secrets_manager

# The vendor answers or is stopped within 30 seconds; the second attempt is for a dead connection, as callers have it.
_CONFIG = Config(connect_timeout=3, read_timeout=35, retries={"mode": "standard", "total_max_attempts": 2})


def build_monitor(settings: Settings, clock: Clock) -> KeyMonitor:
    """A monitor over Secrets Manager, Salesforce and the token vendor, if the settings name one."""
    store = secrets_manager()
    transport = Transport()
    login = SalesforceLogin(transport=transport, hosts=settings.hosts, clock=clock)
    vendor = settings.token_vendor
    return KeyMonitor(
        store=store,
        open_app=app_opener(store=store, transport=transport, login=login, hosts=settings.hosts, clock=clock),
        parse=lambda text: Credential.parse(text, hosts=settings.hosts),
        vend=None if vendor is None else InvokedVendor(boto3.client("lambda", config=_CONFIG), vendor),
        clock=clock,
        settling=settings.settling,
    )
