"""A login with each labelled version's key, and whether its outcome is the one to expect.

One app honours one certificate: that the previous, a pending or a rolled-back key is refused is as it should be, and
which of them logs in where AWSCURRENT doesn't tells what the app holds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from operate.checks.finding import Finding, failed, ok, skipped, task, warning
from operate.checks.versions import Held
from salesforce_keypair.credential import Credential
from salesforce_keypair.errors import KeyPairError, LoginRefused, LoginThrottled
from salesforce_keypair.salesforce.session import Session
from salesforce_keypair.secret_store import CURRENT, PENDING, PREVIOUS, ROLLED_BACK

LogIn = Callable[[Credential], Session]

# The members beside the key that decide whether a login succeeds.
_SAID_AT_A_LOGIN = ("consumerKey", "username", "baseUri", "audience")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One version's login: a session or an error; neither where it wasn't tried."""

    held: Held
    session: Session | None = field(default=None, repr=False)
    error: KeyPairError | None = None

    @property
    def name(self) -> str:
        """The label of its version."""
        return self.held.name


def log_in_with_each(log_in: LogIn, versions: Sequence[Held]) -> list[Attempt]:
    """Try each key once, those in the order given; none any more once Salesforce finds it too many."""
    attempts: list[Attempt] = []
    for held in versions:
        if not held.has_key:
            continue
        same = next((each for each in attempts if _logs_in_alike(each.held.credential, held.credential)), None)
        if same is not None:
            attempts.append(replace(same, held=held))
        elif any(isinstance(each.error, LoginThrottled) for each in attempts):
            attempts.append(Attempt(held))
        else:
            attempts.append(_attempt(log_in, held))
    return attempts


def judge(attempt: Attempt, attempts: Sequence[Attempt], secret_id: str) -> Finding:
    """Whether a version's login ended as it should."""
    version, error = attempt.held.version, attempt.error
    if attempt.session is not None:
        return _judge_success(attempt, attempts)
    if error is None:
        return skipped(f"{version} wasn't tried", cause="an earlier login was throttled, and asking makes it worse")
    if CURRENT in version.labels:
        return _judge_current(attempt, error, attempts, secret_id)
    if PENDING in version.labels and not _is_wrong_key(error):
        return _failure(f"{version}, the key to come, is refused", error)
    if _must_log_in(attempt, attempts):
        what = f"{version} is the key of the second app, and is refused"
        return _judge_second(what, error, secret_id) if _is_wrong_key(error) else _failure(what, error)
    if isinstance(error, LoginRefused):
        return ok(f"{version} is refused, as is to be expected: {_why_refused(version.name)}")
    return ok(f"{version} got no token, and nothing rests on it")


def first_working(attempts: Sequence[Attempt]) -> Attempt | None:
    """The first version that logs in."""
    return next((attempt for attempt in attempts if attempt.session is not None), None)


def holds_another(what: str, cause: str, credential: Credential, secret_id: str) -> Finding:
    """The app holds the certificate of a version that isn't AWSCURRENT: a rotation puts a new one in its place."""
    if credential.admin_secret_arn is None:
        remedy = "make the version whose key logs in current again, or let an administrator upload AWSCURRENT's"
        return failed(what, cause=cause, remedy=remedy, command=task("rollback", secret_id))
    remedy = "start a rotation, which puts a new certificate into the app, and find out who put that one there"
    return failed(what, cause=cause, remedy=remedy, command=task("rotate", secret_id))


def _attempt(log_in: LogIn, held: Held) -> Attempt:
    try:
        return Attempt(held, session=log_in(held.credential))
    except KeyPairError as error:
        return Attempt(held, error=error)


def _logs_in_alike(one: Credential, other: Credential) -> bool:
    """Whether a login with one is a login with the other: versions often differ in other members alone."""
    return one.same_app(other) and one.same_user(other) and one.audience == other.audience and _one_key(one, other)


def _one_key(one: Credential, other: Credential) -> bool:
    return one.certificate is not None and one.certificate.same_key(other.certificate)


def _judge_success(attempt: Attempt, attempts: Sequence[Attempt]) -> Finding:
    version, current = attempt.held.version, _labelled(attempts, CURRENT)
    if current is None or current.session is None or not _one_app(attempt, current):
        return ok(f"{version} logs in")
    if _logs_in_alike(attempt.held.credential, current.held.credential):
        return ok(f"{version} logs in")
    return ok(f"{version} logs in, too: a change of the certificate is spreading")


def _judge_current(attempt: Attempt, error: KeyPairError, attempts: Sequence[Attempt], secret_id: str) -> Finding:
    version, credential = attempt.held.version, attempt.held.credential
    others = [each for each in attempts if each.session is not None]
    twin = next((each for each in others if _one_key(each.held.credential, credential)), None)
    if twin is not None:
        return _judge_changed_document(attempt, twin, error)
    working = next((each for each in others if _one_app(each, attempt)), None)
    if not _is_wrong_key(error) or working is None or not working.held.credential.same_user(credential):
        return _failure(f"{version} is refused", error)
    what = f"{version} is refused, and {working.held.version} logs in"
    if PENDING in working.held.version.labels:
        return warning(
            what,
            cause="the app holds the pending certificate already, and the token vendor logs in with its key",
            remedy="wait until the rotation ends; if it doesn't, take it up again",
            error=error.code,
            command=task("resume", secret_id),
        )
    return holds_another(what, f"the app holds {working.name}'s certificate", credential, secret_id)


def _judge_changed_document(attempt: Attempt, twin: Attempt, error: KeyPairError) -> Finding:
    """The same key logs in with what another version's document says beside it."""
    document, other = attempt.held.credential.document, twin.held.credential.document
    changed = " and ".join(name for name in _SAID_AT_A_LOGIN if document.get(name) != other.get(name))
    return failed(
        f"{attempt.held.version} is refused, and {twin.held.version} logs in with the same key",
        cause=f"the documents differ in {changed}; {error.what}",
        remedy=f"correct {changed} in the secret, or make that version current again (make rollback): {error.remedy}",
        error=error.code,
    )


def _failure(what: str, error: KeyPairError) -> Finding:
    return failed(what, cause=error.what, remedy=error.remedy, error=error.code)


def _judge_second(what: str, error: KeyPairError, secret_id: str) -> Finding:
    """Nobody logs in through it before a rotation has put a new certificate there."""
    remedy = "start a rotation, which puts a new certificate into the second app and goes over to it"
    return failed(what, cause=error.what, remedy=remedy, error=error.code, command=task("rotate", secret_id))


def _is_wrong_key(error: KeyPairError) -> bool:
    """Whether the app may just not honour this key, now or any more."""
    return isinstance(error, LoginRefused) and error.retryable


def _must_log_in(attempt: Attempt, attempts: Sequence[Attempt]) -> bool:
    """Whether it is the key of the second of two apps, which nothing has replaced there."""
    current = _labelled(attempts, CURRENT)
    standby = None if current is None else current.held.credential.standby
    credential = attempt.held.credential
    if PREVIOUS not in attempt.held.version.labels or standby is None:
        return False
    newer = [_labelled(attempts, label) for label in (PENDING, ROLLED_BACK)]
    replaced = any(each is not None and each is not attempt and _one_app(each, attempt) for each in newer)
    return credential.consumer_key == standby.consumer_key and not replaced


def _labelled(attempts: Sequence[Attempt], label: str) -> Attempt | None:
    return next((attempt for attempt in attempts if label in attempt.held.version.labels), None)


def _one_app(one: Attempt, other: Attempt) -> bool:
    return one.held.credential.same_app(other.held.credential)


def _why_refused(label: str) -> str:
    match label:
        case _ if label == PENDING:
            return "its certificate isn't in the app yet, or still spreads"
        case _ if label == ROLLED_BACK:
            return "its rotation was undone"
        case _:
            return "an app honours one certificate"
