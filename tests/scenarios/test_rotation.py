"""A rotation that goes well: what it leaves behind, whatever app and secret it began with."""

import pytest

from salesforce_keypair import installing, rotation
from tests.integration.org_client import key_pair
from tests.sandbox.aws import Act
from tests.sandbox.org import CertificateEncoding, Kind
from tests.sandbox.org.spreading import AtOnce, BackOnce, BothUntil, FlappingUntil, NeitherUntil, OldUntil, Spreading
from tests.scenarios.promises import Promises, has_logged_in
from tests.scenarios.support import AS_OFTEN_AS_IN_PRODUCTION, CREATE, FINISH, SET, STEPS, TEST, Stage, document_of


def assert_rotated(stage: Stage, version_id: str) -> None:
    """The version is current, its key logs in, and its certificate is the app's."""
    new = stage.version(version_id)
    assert new.pair is not None
    assert stage.labels()["AWSCURRENT"] == version_id
    assert stage.logs_in(new)
    assert stage.world.app.fingerprint == new.pair.fingerprint


def test_a_first_installation_needs_no_key_anywhere(stage: Stage) -> None:
    promises = Promises(stage)

    request = stage.rotate()

    assert_rotated(stage, request.version_id)
    promises.hold()


def test_a_rotation_replaces_the_key_that_logs_in(running: Stage) -> None:
    old = running.labelled("AWSCURRENT")

    request = running.rotate()

    assert_rotated(running, request.version_id)
    assert not running.logs_in(old)
    assert running.labelled("AWSPREVIOUS") == running.version(old.version_id)


def test_each_rotation_makes_a_key_of_its_own(stage: Stage) -> None:
    for _ in range(3):
        stage.rotate()

    pairs = [version.pair for version in stage.versions()]
    assert len({pair.fingerprint for pair in pairs if pair is not None}) == 3


def test_a_document_that_was_edited_after_a_rotation_is_rotated_with_the_edit(stage: Stage) -> None:
    stage.rotate()
    stage.edit(certificateValidityDays=30)

    request = stage.rotate()

    assert_rotated(stage, request.version_id)
    assert stage.version(request.version_id).document["certificateValidityDays"] == 30


def test_after_a_rotation_awspending_is_on_the_current_version_or_on_none(stage: Stage) -> None:
    stage.rotate()

    labels = stage.labels()
    assert labels.get("AWSPENDING") in {None, labels["AWSCURRENT"]}


def test_everything_in_the_document_but_the_key_pair_is_kept(running: Stage) -> None:
    kept = {"note": "für später", "nested": {"a": [1, 2.5, None, True]}, "consumerSecretOfOldTimes": "x"}
    running.edit(**kept)
    before = running.labelled("AWSCURRENT")

    request = running.rotate()

    after = running.version(request.version_id).document
    changed = {name for name in before.document if before.document[name] != after[name]}
    assert after.keys() == before.document.keys()
    assert changed == {"privateKey", "certificate"}


@pytest.mark.parametrize(("algorithm", "bits"), [("RSA_2048", 2048), ("RSA_3072", 3072), ("RSA_4096", 4096)])
def test_a_key_has_the_length_that_the_document_asks_for(stage: Stage, algorithm: str, bits: int) -> None:
    stage.edit(keyAlgorithm=algorithm)

    request = stage.rotate()

    pair = stage.version(request.version_id).pair
    assert pair is not None
    assert pair.key.key_size == bits
    assert_rotated(stage, request.version_id)


def test_a_certificate_is_valid_for_as_long_as_the_document_says(stage: Stage) -> None:
    stage.edit(certificateValidityDays=90)

    request = stage.rotate()

    pair = stage.version(request.version_id).pair
    assert pair is not None
    left = pair.certificate.not_valid_after_utc.timestamp() - stage.clock.time()
    assert left / 86_400 == pytest.approx(90, abs=0.1)


def test_a_key_of_one_length_is_followed_by_one_of_another_when_the_document_says_so(stage: Stage) -> None:
    stage.install_key()
    stage.edit(keyAlgorithm="RSA_3072")

    request = stage.rotate()

    pair = stage.version(request.version_id).pair
    assert pair is not None
    assert pair.key.key_size == 3072


@pytest.mark.parametrize("encoding", CertificateEncoding)
@pytest.mark.parametrize("first", [True, False], ids=["first installation", "rotation"])
def test_an_app_may_answer_its_certificate_in_any_form_or_not_at_all(
    stage: Stage, encoding: CertificateEncoding, first: bool
) -> None:
    if not first:
        stage.install_key()
    stage.world.app.certificate_encoding = encoding
    promises = Promises(stage)

    request = stage.rotate()

    assert_rotated(stage, request.version_id)
    promises.hold()


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_is_delivered_twice_does_nothing_the_second_time(running: Stage, step: str) -> None:
    request = running.begin()
    running.deliver(request, *STEPS[: STEPS.index(step) + 1])
    seen, deploys = running.seen(), running.deploys()
    stored = len(running.world.aws.calls("PutSecretValue", caller="rotation"))

    running.deliver(request, step)

    assert running.seen() == seen
    assert running.deploys() == deploys
    assert len(running.world.aws.calls("PutSecretValue", caller="rotation")) == stored
    running.deliver(request, *STEPS)


def test_of_all_deliveries_only_the_one_that_makes_the_version_current_says_so(running: Stage) -> None:
    request = running.begin()

    said = [running.deliver(request, step) for step in (*STEPS, FINISH)]

    assert said == [False, False, False, True, False]


def test_the_log_tells_what_was_done_and_warns_of_nothing(running: Stage, caplog: pytest.LogCaptureFixture) -> None:
    loggers = {rotation.__name__, installing.__name__}
    with caplog.at_level("INFO", logger="salesforce_keypair"):
        running.rotate()

    assert [(record.levelname, record.message) for record in caplog.records if record.name in loggers] == [
        ("INFO", "new key pair stored"),
        ("INFO", "certificate deployed and read back"),
        ("INFO", "the new key is settled"),
        ("INFO", "the new key is current"),
    ]


@pytest.mark.parametrize("encoding", [CertificateEncoding.PEM, CertificateEncoding.ABSENT])
def test_a_certificate_that_is_installed_already_is_not_deployed_again(
    running: Stage, encoding: CertificateEncoding
) -> None:
    running.world.app.certificate_encoding = encoding
    request = running.begin()
    running.deliver(request, CREATE)
    pair = running.version(request.version_id).pair
    assert pair is not None
    running.world.app.install(pair.pem)

    running.deliver(request, SET)

    assert running.world.org.log.entries(Kind.DEPLOY) == ()
    running.deliver(request, TEST, FINISH)
    assert_rotated(running, request.version_id)


def test_a_second_delivery_of_create_secret_never_makes_another_key(running: Stage) -> None:
    request = running.begin()
    competitor = running.world.document(**document_of(key_pair("competitor")))
    # Both deliveries saw an empty version; the other one's answer to PutSecretValue came first.
    put_first = Act(lambda: running.put_pending(request, competitor))
    running.world.aws.faults.inject("PutSecretValue", put_first, caller="rotation")
    running.deliver(request, *STEPS)

    assert running.version(request.version_id).document == competitor
    assert_rotated(running, request.version_id)


def test_a_rotation_token_is_handed_back() -> None:
    with Stage(hand_out_tokens=True) as stage:
        request = stage.rotate()

        assert request.rotation_token is not None
        put = stage.world.aws.calls("PutSecretValue", caller="rotation")
        assert [call.parameters.get("RotationToken") for call in put] == [request.rotation_token]
        assert_rotated(stage, request.version_id)


def test_without_a_rotation_token_none_is_sent(stage: Stage) -> None:
    stage.rotate()

    put = stage.world.aws.calls("PutSecretValue", caller="rotation")
    assert ["RotationToken" in call.parameters for call in put] == [False]


@pytest.mark.parametrize(
    "spreading",
    [
        AtOnce(),
        OldUntil(400),
        BothUntil(600),
        NeitherUntil(300),
        FlappingUntil(600),
        FlappingUntil(600, share_of_new=0.1),
        BackOnce(15, 200),
    ],
    ids=str,
)
@pytest.mark.parametrize("first", [True, False], ids=["first installation", "rotation"])
def test_a_certificate_that_spreads_within_ten_minutes_is_waited_for(
    stage: Stage, spreading: Spreading, first: bool
) -> None:
    if not first:
        stage.install_key()
    stage.world.app.spreading = spreading
    stage.restart(**AS_OFTEN_AS_IN_PRODUCTION)
    promises = Promises(stage)
    request = stage.begin()

    stage.deliver(request, CREATE, SET)
    promises.hold()
    stage.deliver(request, TEST)
    promises.hold()
    # Where servers still disagree, finishSecret may meet one that doesn't know the key yet.
    failure = stage.deliver_all(request, times=3)

    assert failure is None
    promises.hold()
    assert stage.labels()["AWSCURRENT"] == request.version_id


def test_settled_means_several_logins_in_a_row_over_connections_of_their_own(running: Stage) -> None:
    running.restart(**AS_OFTEN_AS_IN_PRODUCTION)
    request = running.begin()
    running.deliver(request, CREATE, SET)
    running.world.org.log.clear()
    started = running.clock.monotonic()

    running.deliver(request, TEST)

    log = running.world.org.log
    assert log.logins(running.world.user.username).accepted == 3
    assert len(log.entries(Kind.LIVENESS)) == 3
    assert log.connections(Kind.TOKEN, Kind.LIVENESS) == 6
    assert running.clock.monotonic() - started == pytest.approx(20)


def test_a_refusal_in_between_starts_the_count_of_logins_again(running: Stage) -> None:
    running.restart(**AS_OFTEN_AS_IN_PRODUCTION)
    running.world.app.spreading = BackOnce(15, 30)
    request = running.begin()
    running.deliver(request, CREATE, SET)
    running.world.org.log.clear()

    running.deliver(request, TEST)

    outcomes = [entry.outcome == "accepted" for entry in running.world.org.log.entries(Kind.TOKEN)]
    assert outcomes == [True, True, False, False, False, True, True, True]


def test_finish_secret_logs_in_itself(running: Stage) -> None:
    request = running.begin()
    running.deliver(request, CREATE, SET, TEST)
    running.world.org.log.clear()

    running.deliver(request, FINISH)

    assert has_logged_in(running, running.version(request.version_id))


@pytest.mark.parametrize("first", [True, False], ids=["first installation", "rotation"])
def test_the_administrators_session_alone_changes_the_app(stage: Stage, first: bool) -> None:
    if not first:
        stage.install_key()

    stage.rotate()

    who = {entry.username for entry in stage.world.org.log.entries(Kind.DEPLOY, Kind.POLL)}
    assert who == {stage.world.admin_app.client_credentials_user.username}  # type: ignore[union-attr]


def test_the_secrets_own_values_are_read_by_version_id_and_never_by_a_label_that_may_move(running: Stage) -> None:
    running.rotate()

    reads = running.world.aws.calls("GetSecretValue", caller="rotation")
    by_label = {call.parameters["SecretId"] for call in reads if "VersionId" not in call.parameters}
    assert by_label == {running.world.admin_secret_arn}
