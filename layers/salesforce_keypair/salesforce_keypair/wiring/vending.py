"""The token vendor's parts."""

from collections.abc import Callable

from salesforce_keypair.credential import Credential
from salesforce_keypair.fetching import Fetch, OwnLogins, SharedLogins
from salesforce_keypair.key_choice import KeyChoice
from salesforce_keypair.logins import Logins
from salesforce_keypair.salesforce.login import SalesforceLogin
from salesforce_keypair.salesforce.transport import Transport
from salesforce_keypair.settings import Settings
from salesforce_keypair.standing_back import StandingBack
from salesforce_keypair.timing import Clock
from salesforce_keypair.token_cache import MemoryCache
from salesforce_keypair.vending import TokenVendor
from salesforce_keypair.wiring.aws import secrets_manager, shared_tokens


def build_vendor(settings: Settings, clock: Clock, *, table_failed: Callable[[], None]) -> TokenVendor:
    """A vendor over Secrets Manager and Salesforce without tokens yet; `table_failed` hears of DynamoDB's failures."""
    login = SalesforceLogin(transport=Transport(), hosts=settings.hosts, clock=clock)
    keys = KeyChoice(
        store=secrets_manager(),
        login=login.jwt_bearer,
        # Keys were checked when they came into the secret.
        parse=lambda text: Credential.parse(text, hosts=settings.hosts, check_key=False),
        clock=clock,
    )
    logins = Logins(
        keys=keys,
        standing_back=StandingBack(settling=settings.settling, clock=clock),
        token_lifetime=settings.token_lifetime,
        clock=clock,
    )
    shared = shared_tokens(settings, clock, failed=table_failed)
    fetch: Fetch = OwnLogins(logins)
    if shared is not None:
        fetch = SharedLogins(keys=keys, logins=logins, shared=shared, clock=clock)
    return TokenVendor(fetch=fetch, cache=MemoryCache(), clock=clock)
