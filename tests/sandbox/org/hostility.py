"""An org that does by turns whatever orgs have been seen to do: by seed, so that what it did can be seen again."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

from tests.sandbox.org import faults, refusals
from tests.sandbox.org.certificates import CertificateEncoding
from tests.sandbox.org.exchange import Kind, Request
from tests.sandbox.org.state import Org

SHARE = 0.05
CLOCK_SECONDS = 600.0
# A share of the troubles are the org's answers; those of the wire are the caller's to arrange.
_LOGINS = (1, 3, 10)


@dataclass(frozen=True)
class Mood:
    """What stays for as long as the org is hostile."""

    encoding: CertificateEncoding
    clock_offset: float
    pretended_deploys: int
    failing_deploys: int
    failing_rehearsals: int
    failures_as_object: bool
    logins: int | None

    @classmethod
    def of(cls, seed: int) -> "Mood":
        """The mood of a seed: each part is an ordinary one in some of them."""
        rng = Random(f"mood {seed}")
        return cls(
            encoding=rng.choice(list(CertificateEncoding)),
            clock_offset=rng.choice((0.0, CLOCK_SECONDS, -CLOCK_SECONDS)),
            pretended_deploys=rng.choice((0, 0, 1, 3)),
            failing_deploys=rng.choice((0, 0, 0, 1)),
            failing_rehearsals=rng.choice((0, 0, 0, 1)),
            failures_as_object=rng.random() < 0.5,
            logins=rng.choice((None, None, None, *_LOGINS)),
        )


@contextmanager
def hostile(org: Org, seed: int) -> Iterator[Mood]:
    """Be hostile for a while; the clock stays off and the certificate's encoding odd, which is nobody's fault."""
    mood = Mood.of(seed)
    limit, org.login_limit = org.login_limit, org.login_limit if mood.logins is None else mood.logins
    org.clock.offset = mood.clock_offset
    for app in org.apps:
        app.certificate_encoding = mood.encoding
    org.deployments.failures_as_object = mood.failures_as_object
    org.deployments.pretend_success = mood.pretended_deploys
    for _ in range(mood.failing_deploys):
        org.deployments.fail_next("UNKNOWN_EXCEPTION: An unexpected error occurred.")
    for _ in range(mood.failing_rehearsals):
        org.deployments.fail_next("UNKNOWN_EXCEPTION: An unexpected error occurred.", check_only=True)
    _add_faults(org)
    try:
        yield mood
    finally:
        org.faults.clear()
        org.login_limit = limit
        org.deployments.pretend_success = 0
        org.deployments.forget_failures()


def _add_faults(org: Org) -> None:
    everywhere: tuple[faults.Fault, ...] = (
        faults.answering(500),
        faults.html_page(200),
        faults.html_page(503),
        faults.html_page(200, acts=True),
        faults.answering(420),
        faults.answering(200, '{"access_token": "00D0000', content_type="application/json", acts=True),
        faults.Fault("sessions die", before=org.sessions.kill_all),
    )
    for fault in everywhere:
        org.faults.add(fault, times=None, probability=SHARE / len(everywhere), where=_is_of_the_product)
    only: tuple[tuple[Kind, faults.Fault], ...] = (
        (Kind.TOKEN, faults.oauth_error(refusals.RETRY_REQUEST)),
        (Kind.SOAP, faults.soap_fault("sf:UNKNOWN_EXCEPTION")),
        (Kind.POLL, faults.rest_error(500, "INVALID_CROSS_REFERENCE_KEY")),
        (Kind.LIVENESS, faults.rest_error(401, "INVALID_SESSION_ID")),
        (Kind.DEPLOY, faults.rest_error(503, "SERVER_UNAVAILABLE")),
    )
    for kind, fault in only:
        org.faults.add(fault, kind, times=None, probability=SHARE / 4, where=_is_of_the_product)


def _is_of_the_product(request: Request) -> bool:
    """Whoever looks on from outside is told the truth."""
    return request.header("User-Agent") != "outsider"
