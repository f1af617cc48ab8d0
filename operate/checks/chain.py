"""The whole chain from the secret to the token, in the order in which one link hangs on another."""

from dataclasses import dataclass

from operate.checks import host, schedule, vendor, versions
from operate.checks.described import Described, LabelledVersion, describe
from operate.checks.finding import Finding, Report, skipped
from operate.checks.org import LINKS as ORG_LINKS
from operate.checks.org import Org
from operate.checks.versions import Held
from operate.checks.walk import Tell, Walk
from operate.workplace import Workplace
from salesforce_keypair.credential import Credential
from salesforce_keypair.secret_store import CURRENT

_ANSWER_SECONDS = 30.0
_DOCUMENT = f"document.{CURRENT}"
_VERSION_LINKS = ("labels", _DOCUMENT, "rotatable", "expiry")
_HOST_LINKS = ("host.resolves", "host.answers", "clock")
_ROTATION_LINKS = ("rotation", "rolled_back", "schedule")
_VENDOR_LINKS = ("vendor.answers", "vendor.refuses")


@dataclass(frozen=True, slots=True)
class Request:
    """What is looked at: a secret, its vendor or the stack that names it, and whether a deploy is rehearsed."""

    secret_id: str
    vendor: str | None = None
    stack: str | None = None
    rehearse: bool = False


def examine(place: Workplace, request: Request, tell: Tell) -> Report:
    """Look at everything and change nothing; `tell` hears of each check as it is made."""
    walk = Walk(tell)
    secret = walk.learn("secret", f"{request.secret_id} can't be described", lambda: _described(place, request))
    if secret is None:
        walk.skip((*_VERSION_LINKS, *_HOST_LINKS, *ORG_LINKS, *_ROTATION_LINKS, *_VENDOR_LINKS), because="secret")
        return Report(request.secret_id, walk.checks, logins=0)
    held, current = _look_at_versions(walk, place, secret)
    org = Org(walk=walk, place=place, secret=secret, held=held)
    if current is None:
        walk.skip((*_HOST_LINKS, *ORG_LINKS), because=_DOCUMENT)
    elif blocker := _look_at_host(walk, place, current.credential):
        walk.skip(ORG_LINKS, because=blocker)
    else:
        org.look(current, rehearse=request.rehearse)
    # After the org, whose refusals are why a rotation stops or is undone.
    walk.add("rotation", versions.judge_rotation(secret, held))
    walk.add("rolled_back", versions.judge_rolled_back(secret))
    waits = versions.unfinished(secret) is not None
    walk.add("schedule", schedule.judge_schedule(secret.schedule, secret.asked_as, waits=waits))
    _look_at_vendor(walk, place, request, secret, current)
    without_key = current is not None and not current.has_key
    return Report(request.secret_id, walk.checks, org.logins, without_key=without_key)


def _described(place: Workplace, request: Request) -> tuple[Finding, Described]:
    secret = describe(place.store, request.secret_id, now=place.clock.time())
    return versions.judge_secret(secret), secret


def _look_at_versions(walk: Walk, place: Workplace, secret: Described) -> tuple[list[Held], Held | None]:
    """The documents that can be used, and AWSCURRENT's among them."""

    def read(version: LabelledVersion) -> Held | None:
        return walk.learn(
            f"document.{version.name}",
            f"the document of {version} can't be used",
            lambda: versions.read(place.store, place.parse, secret, version),
        )

    walk.add("labels", versions.judge_labels(secret))
    held = [document for version in secret.versions if (document := read(version)) is not None]
    current = next((each for each in held if CURRENT in each.version.labels), None)
    if current is None:
        missing = (_DOCUMENT,) if secret.labelled(CURRENT) is None else ()
        walk.skip(missing, because="labels")
        walk.skip(("rotatable", "expiry"), because=_DOCUMENT)
        return held, None
    walk.check(
        "rotatable",
        "a rotation would stop at the document",
        lambda: versions.judge_rotatable(place.store, place.parse, secret, held),
    )
    walk.add("expiry", versions.judge_expiry(current, place.clock.time(), secret))
    return held, current


def _look_at_host(walk: Walk, place: Workplace, credential: Credential) -> str | None:
    """The check that keeps from asking the org, if there is one."""
    resolves, answers, clock = _HOST_LINKS
    if not walk.add(resolves, host.judge_name(credential, place.resolve)):
        walk.skip((answers, clock), because=resolves)
        return resolves
    answer = walk.learn(
        answers,
        "the org doesn't answer",
        lambda: host.ask(place.transport, credential.base_uri, place.within(_ANSWER_SECONDS)),
    )
    if answer is None:
        walk.skip((clock,), because=answers)
        return answers
    walk.add(clock, host.judge_clock(answer, place.clock))
    return None


def _look_at_vendor(walk: Walk, place: Workplace, request: Request, secret: Described, current: Held | None) -> None:
    answers, refuses = _VENDOR_LINKS
    try:
        name = request.vendor or vendor.find(lambda: place.stacks, secret, request.stack)
    except vendor.NoVendor as reason:
        for link in _VENDOR_LINKS:
            walk.add(link, skipped("no token vendor was asked", cause=str(reason)))
        return
    if current is None or not current.has_key:
        walk.skip((answers,), because=_DOCUMENT)
    else:
        walk.add(answers, vendor.judge_answer(place.functions, name, secret, current.version.version_id))
    admin = None if current is None else current.credential.admin_secret_arn
    walk.add(refuses, vendor.judge_refusal(place.functions, name, admin))
