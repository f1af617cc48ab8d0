"""Starting a rotation, taking up one that waits, and giving one up."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from operate.rotating.following import Tell
from operate.rotating.looking import Looked, Version
from salesforce_keypair.aws_refusal import is_refusal
from salesforce_keypair.credential import Credential
from salesforce_keypair.errors import InvalidRequest, InvalidSecret, SecretUnavailable
from salesforce_keypair.rotation_request import Step
from salesforce_keypair.seams import SecretStore
from salesforce_keypair.secret_answers import answer_of
from salesforce_keypair.secret_store import CURRENT, PENDING, PREVIOUS, ROLLED_BACK

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

# What AWS refuses with for the state that a secret is in: rotating, or marked for deletion.
_WRONG_STATE = "InvalidRequestException"

DeliverStep = Callable[[Step], None]
"""Has the rotation function do a step now; raises what the step ended with."""

LogsIn = Callable[[Credential], bool]
"""Whether Salesforce honours a key now. Raises what else a login ends with than a wrong certificate."""


def start(client: "SecretsManagerClient", looked: Looked, version_id: str) -> None:
    """RotateSecret to a new version. Raises InvalidRequest or InvalidSecret where it can't begin, SecretUnavailable."""
    refuse_vain(looked)
    try:
        _ask_for_rotation(client, looked.arn, version_id)
    except SecretUnavailable as error:
        if not is_refusal(error.__cause__, _WRONG_STATE):
            raise
        raise InvalidRequest(
            error.what,
            remedy="see `status`; `resume` takes a rotation up that isn't complete, `resume --give-up` ends it; a "
            "secret that was marked for deletion must be restored first (aws secretsmanager restore-secret)",
        ) from error


def refuse_vain(looked: Looked) -> None:
    """Raises InvalidRequest or InvalidSecret where a rotation couldn't begin, or would stop at its first step.

    One that stops there makes no key, ends by itself never, and until somebody gives it up no other can start.
    """
    refuse_unfinished(looked)
    refuse_unset(looked)
    current, previous = looked.labelled(CURRENT), looked.labelled(PREVIOUS)
    if current is not None and current.unread is not None:
        # Not to be read by whoever runs this, perhaps; its function can.
        return
    _, credential = looked.current()
    had_key = previous is not None and previous.certificate is not None and not previous.labels & {PENDING, ROLLED_BACK}
    if credential.private_key is None and had_key:
        raise InvalidSecret(
            "AWSCURRENT holds no privateKey, but AWSPREVIOUS does: somebody overwrote the secret",
            remedy="`rollback` goes back to that version; change single members of its document only",
        )
    credential.check_installable()


def refuse_unfinished(looked: Looked) -> None:
    """Raises InvalidRequest while a rotation has begun and not ended."""
    if looked.unfinished is not None:
        raise InvalidRequest(
            f"the rotation to {looked.unfinished.version_id} is unfinished",
            remedy="`status` tells what it waits for; `resume` takes it up, `resume --give-up` ends it",
        )


def refuse_unset(looked: Looked) -> None:
    """Raises InvalidRequest where the secret has no rotation function."""
    if looked.schedule.function is None:
        raise InvalidRequest(
            "rotation was never set up for this secret", remedy="deploy the stack, which sets function and schedule"
        )


def rotate_secret(client: "SecretsManagerClient", secret_arn: str, version_id: str) -> bool:
    """RotateSecret with that token; false where AWS refuses it for the state that the secret is in."""
    try:
        _ask_for_rotation(client, secret_arn, version_id)
    except SecretUnavailable as error:
        if is_refusal(error.__cause__, _WRONG_STATE):
            return False
        raise
    return True


def _ask_for_rotation(client: "SecretsManagerClient", secret_arn: str, version_id: str) -> None:
    answer_of("RotateSecret", lambda: client.rotate_secret(SecretId=secret_arn, ClientRequestToken=version_id))


def waiting(looked: Looked) -> Version:
    """The version of the rotation that waits. Raises InvalidRequest where none does."""
    if looked.unfinished is None:
        raise InvalidRequest("no rotation of this secret waits", remedy="`rotate` starts one")
    refuse_unset(looked)
    return looked.unfinished


def deliver_all(deliver: DeliverStep, tell: Tell) -> None:
    """Have the function do the four steps, one after the other. Each is made to come late, twice or out of order.

    A new rotation couldn't carry the key over: RotateSecret makes an empty version and delivers createSecret at once,
    which makes another key unless somebody is faster. So it is the same rotation that goes on, and its labels stay.
    """
    for step in Step:
        tell(f"{step}: asking the rotation function, which may take some minutes")
        deliver(step)


def give_up(store: SecretStore, looked: Looked, version: Version, logs_in: LogsIn, tell: Tell) -> None:
    """End a rotation where it stands, so that another one can start. Raises InvalidRequest where that does harm.

    First the label that stops its late deliveries, and under which callers still try its key: the app may hold that
    one's certificate already; an empty version needs neither. Then off with the label that keeps others from starting.
    """
    version_id = version.version_id
    # Not what was seen before somebody was asked: a delivery may have filled the version since, or ended the rotation.
    labels = store.state(looked.arn).labels_of(version_id)
    if PENDING not in labels or CURRENT in labels:
        raise InvalidRequest(
            f"the rotation to {version_id} has ended meanwhile", remedy="nothing was changed; see `status`"
        )
    if store.read(looked.arn, version_id=version_id) is not None:
        _refuse_to_orphan(looked, version, logs_in)
        mark_rolled_back(store, looked.arn, version_id)
        tell(f"Version {version_id[:8]} is labelled ROLLEDBACK: its late deliveries change nothing, callers try it.")
    store.move_label(looked.arn, PENDING, onto=None, off=version_id)
    tell("AWSPENDING is off, so another rotation can start; it replaces whichever certificate the app holds.")


def mark_rolled_back(store: SecretStore, secret_arn: str, version_id: str) -> None:
    """Give a version the label of one whose rotation was undone, which its deliveries heed. Done already is done."""
    holder = store.state(secret_arn).version_with(ROLLED_BACK)
    if holder != version_id:
        store.move_label(secret_arn, ROLLED_BACK, onto=version_id, off=holder)


def _refuse_to_orphan(looked: Looked, version: Version, logs_in: LogsIn) -> None:
    """Stop where ROLLEDBACK, which is to move, is the only label that leads to a key that the app honours."""
    holder = looked.labelled(ROLLED_BACK)
    if holder is None or holder.version_id == version.version_id or holder.labels != {ROLLED_BACK}:
        return
    _, current = looked.current()
    # A rollback from a document that somebody overwrote leaves the label on a version without a key.
    if holder.key is None or not logs_in(holder.key.credential):
        return
    if current.private_key is not None and logs_in(current):
        return
    raise InvalidRequest(
        f"{holder.name}, labelled ROLLEDBACK, is the only version whose key logs in, and would lose that label",
        remedy="nothing was changed; let this rotation go on (`resume --deliver` says why it doesn't), or put the "
        f"certificate of AWSCURRENT into the app {current.app_name}, then run this again",
    )
