"""The promises while anything may happen in any order, and what is left of them where a person broke one.

What a person breaks the product can't hold: whoever takes the label off the version whose certificate the app has, or
puts a foreign certificate in, breaks promise 1 until the app holds a labelled version's certificate again. Till then a
delivery must make nothing worse (a foreign certificate stays), and end well or in a named error. The others hold
always: no delivery makes an unproved key current, no material and nothing else in the app changes, nothing leaks. And
from wherever a sequence led to, rotations succeed again: the last one that was begun or one after it where nobody
meddled, and otherwise another, once a person has stored a key pair, put its certificate into the app and given the
pending version up.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from salesforce_keypair.errors import KeyPairError, RolledBack
from tests.integration.org_client import key_pair
from tests.sandbox.org import App, DeployPace
from tests.scenarios.disorder import Event, OrgClock, Scene, Spread
from tests.scenarios.promises import Promises, apps_but_certificates, assert_tells_what_to_do, has_logged_in
from tests.scenarios.set_ups import SetUp
from tests.scenarios.shortcut import shortcut
from tests.scenarios.support import Held, Stage, document_of

RESCUED = "rescued"
# So many deliveries of a rotation that nothing hinders any more may fail before one succeeds.
DELIVERIES = 3


class Watch:
    """What was true before an event, to be compared with what is true after it."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._promises = Promises(stage)
        self._apps = apps_but_certificates(stage)
        self._look()

    def _look(self) -> None:
        self._held = _held(self._stage)
        self._foreign = _foreign(self._stage)

    def ended(self, error: KeyPairError | None) -> None:
        """A delivery came to an end."""
        if error is not None:
            assert_tells_what_to_do(error)

    def moved(self, version_id: str) -> None:
        """A delivery is about to make a version current."""
        version = self._stage.version(version_id)
        assert version.pair is not None, "a delivery makes a version without a key current"
        assert has_logged_in(self._stage, version), "a delivery makes a key current that never logged in"

    def after(self, *, meddled: bool, by_a_person: bool) -> None:
        """Look at what an event has made of the promises."""
        was_held, was_foreign = self._held, self._foreign
        self._look()
        self._promises.material_stays()
        assert apps_but_certificates(self._stage) == self._apps, "something but a certificate changed in an app"
        if by_a_person:
            return
        assert was_foreign <= self._foreign, "a delivery replaced a foreign certificate"
        assert self._held or not was_held, "a delivery put in a certificate that no label leads to"
        if not meddled:
            self._promises.hold()


def play(set_up: SetUp, events: Sequence[Event]) -> None:
    """Let events happen to a secret whose rotation has begun; each assertion that fails is a broken promise."""
    # How often a key logs in before it counts as settled is tried elsewhere.
    with set_up.staged(SETTLED_LOGINS="1") as stage, shortcut(stage.world) as crossing:
        # One question after a deploy is enough: what comes in between is cut elsewhere.
        stage.world.org.deployments.pace = DeployPace(0, 0)
        watch = Watch(stage)
        scene = Scene(stage, crossing, watch.ended)
        crossing.seen = lambda operation, parameters: _see(scene, watch, operation, parameters)
        before = dict(stage.labelled("AWSCURRENT").document)
        scene.begin()
        for event in events:
            meddled = scene.meddled
            scene.meddled = False
            event.happen(scene)
            by_a_person, scene.meddled = scene.meddled, scene.meddled or meddled
            watch.after(meddled=scene.meddled, by_a_person=by_a_person)
        _end(scene, watch, before)


def _see(scene: Scene, watch: Watch, operation: str, parameters: Mapping[str, Any]) -> None:
    if operation == "UpdateSecretVersionStage" and parameters["VersionStage"] == "AWSCURRENT" and not scene.by_hand:
        watch.moved(parameters["MoveToVersionId"])


def _end(scene: Scene, watch: Watch, before: dict[str, object]) -> None:
    """Nothing happens any more: deliveries go on, and then rotations succeed again."""
    for event in (Spread("at once"), OrgClock(0)):
        event.happen(scene)
    stage = scene.stage
    # By the org's clock, which may have jumped back, the last change has spread by then.
    stage.clock.advance(3600)
    scene.begin(scene.rotations[-1].version_id)
    failure = stage.deliver_all(scene.rotations[-1], times=DELIVERIES)
    watch.ended(failure)
    watch.after(meddled=scene.meddled, by_a_person=False)
    if scene.meddled:
        _rescue(stage, before)
        watch.after(meddled=True, by_a_person=True)
    else:
        assert failure is None or isinstance(failure, RolledBack), failure
    # Where a rotation has just succeeded and left no other label, the next one is as any other.
    if failure is not None or scene.meddled or not stage.labels().keys() <= {"AWSCURRENT", "AWSPREVIOUS"}:
        stage.rotate(times=DELIVERIES)
        watch.after(meddled=True, by_a_person=False)


def _rescue(stage: Stage, before: dict[str, object]) -> None:
    """What a person does whom nothing else helps."""
    pair = key_pair(RESCUED)
    stage.world.put_document(before | document_of(pair))
    pending = stage.labels().get("AWSPENDING")
    if pending is not None:
        stage.move_label("AWSPENDING", off=pending)
    for app in stage.world.org.apps:
        if app.consumer_key == before["consumerKey"]:
            app.install(pair.pem)
        else:
            app.install(None)


def _held(stage: Stage) -> bool:
    """Whether some app holds the certificate of a version that a label leads to, or none holds any."""
    installed = {(app.consumer_key, app.fingerprint) for app in _rotated(stage) if app.fingerprint is not None}
    return not installed or any(_names(version) in installed for version in stage.versions() if version.labels)


def _foreign(stage: Stage) -> set[tuple[str, str]]:
    """The certificates, and in which app, that no version of the secret knows."""
    known = {_names(version)[1] for version in stage.versions()}
    return {
        (app.consumer_key, app.fingerprint)
        for app in _rotated(stage)
        if app.fingerprint is not None and app.fingerprint not in known
    }


def _rotated(stage: Stage) -> list[App]:
    return [app for app in stage.world.org.apps if app is not stage.world.admin_app]


def _names(version: Held) -> tuple[str | None, str | None]:
    """The app and the certificate that a version names, whatever else is wrong with it."""
    return version.document.get("consumerKey"), version.fingerprint
