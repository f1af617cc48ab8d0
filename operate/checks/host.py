"""The org's host: whether its name resolves, whether it answers, and what time it is there."""

from collections.abc import Callable
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies

from operate.checks.finding import Finding, failed, ok, warning
from salesforce_keypair.credential import Credential
from salesforce_keypair.salesforce.hosts import Origin
from salesforce_keypair.salesforce.login import CLOCK_TOLERANCE_SECONDS, date_of
from salesforce_keypair.salesforce.transport import Answer, Transport
from salesforce_keypair.timing import Clock, Deadline

# Open to everybody: it proves nothing but that somebody answers there.
_PATH = "/services/data/"
_HTTPS = 443


def judge_name(credential: Credential, resolve: Callable[[str, int], object]) -> Finding:
    """Whether the host, which parsing has seen to be Salesforce's, resolves here."""
    host = urlsplit(credential.base_uri.url).hostname or ""
    if get_environ_proxies(credential.base_uri.url):
        return ok(f"{host} is an org's host; the proxy of this shell resolves it")
    try:
        resolve(host, _HTTPS)
    except (OSError, UnicodeError) as error:
        return failed(
            f"{host} is an org's host by its name, but doesn't resolve",
            cause=f"{type(error).__name__}: there is no such name in DNS as this machine sees it",
            remedy="correct baseUri to the org's present My Domain (renamed? deleted?), or see to this machine's DNS",
        )
    return ok(f"{host} is an org's host and resolves")


def ask(transport: Transport, origin: Origin, deadline: Deadline) -> tuple[Finding, Answer]:
    """One request without a login. Raises SalesforceUnavailable."""
    answer = transport.send("GET", origin, _PATH, deadline=deadline)
    if answer.is_redirect:
        finding = failed(
            f"{origin} answers with a redirect, which isn't followed",
            cause="the My Domain was renamed, or isn't the org's present one",
            remedy="set baseUri to the org's present My Domain",
        )
    elif answer.status >= 500 or answer.status in (420, 429):
        finding = failed(
            f"{origin} answers with HTTP {answer.status}",
            cause="the org is under maintenance, or Salesforce has a fault",
            remedy="see Salesforce's status page (status.salesforce.com) for the org's instance, and try again later",
        )
    else:
        finding = ok(f"{origin} answers")
    return finding, answer


def judge_clock(answer: Answer, clock: Clock) -> Finding:
    """Whether our clock is the org's, as far as a reply tells."""
    theirs = date_of(answer)
    if theirs is None:
        return warning(
            "the org's reply has no date to compare this machine's clock with",
            cause="something between here and Salesforce took it away",
            remedy="see that this machine's clock is right",
        )
    ahead = clock.time() - theirs
    if abs(ahead) <= CLOCK_TOLERANCE_SECONDS:
        return ok("this machine's clock is the org's")
    return warning(
        f"this machine's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the org's",
        cause="an assertion's time is checked; a login corrects it once, at the price of a second request",
        remedy="let this machine's clock be set (NTP); the functions' clocks are AWS's",
    )
