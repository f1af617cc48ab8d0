"""What may happen to a secret and its app in any order: deliveries as Secrets Manager makes them, and what people do.

Each event is a value that prints as it is written, so that a sequence which breaks a promise can be read.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from botocore.exceptions import ClientError

from salesforce_keypair.errors import KeyPairError
from tests.integration.org_client import key_pair
from tests.sandbox.aws import RotationRequest
from tests.sandbox.org.spreading import AtOnce, FlappingUntil, NeitherUntil, Never, OldUntil, Spreading
from tests.scenarios.shortcut import Crossing
from tests.scenarios.support import STEPS, Stage, document_of
from tests.scenarios.wire import Stopped

FOREIGN = "somebody else's"
IMPORTED = "imported"

Ended = Callable[[KeyPairError | None], None]


class Scene:
    """A stage without sockets, the rotations that were begun on it, and who hears how a delivery ends."""

    def __init__(self, stage: Stage, crossing: Crossing, ended: Ended) -> None:
        self.stage = stage
        self.crossing = crossing
        self.ended = ended
        self.rotations: list[RotationRequest] = []
        # Whether a person has done what no rotation can answer for, and is at it now.
        self.meddled = False
        self.by_hand = False

    def begin(self, token: str | None = None) -> None:
        """RotateSecret; Secrets Manager may refuse it."""
        try:
            request = self.stage.begin(token)
        except ClientError:
            return
        if request not in self.rotations:
            self.rotations.append(request)

    def deliver(self, back: int, *steps: str) -> bool:
        """Deliver steps of the rotation that was begun last, or so many before it, up to the first that fails."""
        if not self.rotations:
            return False
        request = self.rotations[-1 - back % len(self.rotations)]
        try:
            self.stage.deliver(request, *steps)
        except KeyPairError as error:
            self.ended(error)
            return False
        self.ended(None)
        return True

    def person(self, call: Callable[[], object]) -> None:
        """What a person tries to do; AWS may refuse it."""
        self.meddled = self.by_hand = True
        try:
            call()
        except ClientError:
            return
        finally:
            self.by_hand = False


@dataclass(frozen=True)
class Begin:
    """RotateSecret."""

    def happen(self, scene: Scene) -> None:
        scene.begin()


@dataclass(frozen=True)
class Deliver:
    """One step, of the last rotation or of an earlier one."""

    step: str
    back: int = 0

    def happen(self, scene: Scene) -> None:
        scene.deliver(self.back, self.step)


@dataclass(frozen=True)
class DeliverAll:
    """The four steps in order, in a new environment."""

    back: int = 0

    def happen(self, scene: Scene) -> None:
        scene.stage.restart()
        scene.deliver(self.back, *STEPS)


@dataclass(frozen=True)
class Overlap:
    """A step before whose call number `at` something else happens; what is delivered has an environment of its own."""

    step: str
    at: int
    other: "Event"

    def happen(self, scene: Scene) -> None:
        left = self.at

        def before_each() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                with scene.crossing.watched(lambda: None), scene.stage.another_environment():
                    self.other.happen(scene)

        with scene.crossing.watched(before_each):
            scene.deliver(0, self.step)


@dataclass(frozen=True)
class Killed:
    """A step whose process ends before its call number `at`."""

    step: str
    at: int

    def happen(self, scene: Scene) -> None:
        left = self.at

        def before_each() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                raise Stopped

        with scene.crossing.watched(before_each):
            try:
                scene.deliver(0, self.step)
            except Stopped:
                scene.stage.restart()


@dataclass(frozen=True)
class Cancel:
    """CancelRotateSecret."""

    def happen(self, scene: Scene) -> None:
        if scene.rotations:
            scene.stage.world.secrets.cancel_rotate_secret(SecretId=scene.stage.arn)


@dataclass(frozen=True)
class TakeUpAgain:
    """RotateSecret with the token of the last rotation, as after a cancellation."""

    def happen(self, scene: Scene) -> None:
        if scene.rotations:
            scene.begin(scene.rotations[-1].version_id)


@dataclass(frozen=True)
class Wait:
    """Time passes."""

    seconds: float

    def happen(self, scene: Scene) -> None:
        scene.stage.clock.advance(self.seconds)


@dataclass(frozen=True)
class OrgClock:
    """The org's clock jumps, and is that many seconds off from now on."""

    offset: float

    def happen(self, scene: Scene) -> None:
        scene.stage.world.org.clock.offset = self.offset


@dataclass(frozen=True)
class Spread:
    """How changes of certificates spread from now on."""

    how: str

    def happen(self, scene: Scene) -> None:
        for app in scene.stage.world.org.apps:
            app.spreading = SPREADINGS[self.how]


SPREADINGS: dict[str, Spreading] = {
    "at once": AtOnce(),
    "old for 4 s": OldUntil(4),
    "neither for 4 s": NeitherUntil(4),
    "never": Never(),
    "flapping for 60 s": FlappingUntil(60),
}


@dataclass(frozen=True)
class PutCertificate:
    """A person puts a certificate into the app: a foreign one, or that of the version with a label."""

    whose: str

    def happen(self, scene: Scene) -> None:
        app, labels = scene.stage.world.app, scene.stage.labels()
        pair = key_pair(FOREIGN) if self.whose == FOREIGN else None
        if pair is None and self.whose in labels:
            pair = scene.stage.version(labels[self.whose]).pair
        if pair is not None:
            scene.person(lambda: app.install(pair.pem, scene.stage.world.app.spreading))


@dataclass(frozen=True)
class Overwrite:
    """A person stores a document: with one more member, without a key, with another key, or none at all."""

    how: str

    def happen(self, scene: Scene) -> None:
        document = {**scene.stage.world.document(), **scene.stage.labelled("AWSCURRENT").document}
        match self.how:
            case "a note":
                document["note"] = uuid.uuid4().hex
            case "no key":
                document = {name: value for name, value in document.items() if name not in document_of(key_pair())}
            case "another key":
                document |= document_of(key_pair(IMPORTED))
        text = "no document" if self.how == "no document" else None
        if text is None:
            scene.person(lambda: scene.stage.world.put_document(document))
        else:
            secrets = scene.stage.world.secrets
            scene.person(lambda: secrets.put_secret_value(SecretId=scene.stage.arn, SecretString=text))


@dataclass(frozen=True)
class MoveLabel:
    """A person moves a label onto one of the versions, counted from the last one, or takes it off."""

    label: str
    onto: int | None

    def happen(self, scene: Scene) -> None:
        stage = scene.stage
        holder = stage.labels().get(self.label)
        versions = stage.versions()
        onto = None if self.onto is None else versions[-1 - self.onto % len(versions)].version_id
        if holder != onto:
            scene.person(lambda: stage.move_label(self.label, onto=onto, off=holder))


Event = (
    Begin
    | Deliver
    | DeliverAll
    | Overlap
    | Killed
    | Cancel
    | TakeUpAgain
    | Wait
    | OrgClock
    | Spread
    | PutCertificate
    | Overwrite
    | MoveLabel
)
