"""The local world with a table of shared tokens, and without one."""

import pytest

from tests.sandbox.aws import Outcome
from tests.sandbox.world import TOKEN_TABLE, Timing, World


def rotated(world: World) -> None:
    world.turn_rotation_on()
    assert world.rotate() is Outcome.SUCCEEDED
    world.org.log.clear()


@pytest.mark.slow
@pytest.mark.parametrize(("shared_tokens", "logins"), [(True, 1), (False, 3)])
def test_with_a_table_one_login_serves_every_environment(*, shared_tokens: bool, logins: int) -> None:
    with World(timing=Timing(settled_logins=1), shared_tokens=shared_tokens) as world:
        rotated(world)

        tokens = []
        for _ in range(3):
            world.vendor.recycle()
            tokens.append(world.vend().value["access_token"])

        assert len(set(tokens)) == logins
        assert world.org.log.logins(world.user.username).accepted == logins
        assert {call.service for call in world.aws.calls(caller="token-vendor")} >= {"secretsmanager"}
        tables = {call.parameters["TableName"] for call in world.aws.calls() if call.service == "dynamodb"}
        assert tables == ({TOKEN_TABLE} if shared_tokens else set())


def test_a_rotation_leaves_its_token_in_the_table_under_the_secret_s_arn() -> None:
    with World(timing=Timing(settled_logins=1), shared_tokens=True) as world:
        rotated(world)
        before = world.version_with("AWSCURRENT")
        assert world.table_rows() == []

        assert world.rotate() is Outcome.SUCCEEDED

        (row,) = world.table_rows()
        assert before is not None
        assert (row["id"], row["key_version"]) == (world.secret_arn, before.version_id)
        assert {call.caller for call in world.aws.calls("UpdateItem")} == {"rotation"}
