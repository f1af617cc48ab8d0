"""Which modules are changed, and which tests must notice."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Module:
    """A module of the package and the tests that answer for it.

    These run in mutmut's own process. A function that a test starts as a process of its own runs from the sources, so
    such a test can't notice a change and isn't named here.
    """

    path: str
    tests: tuple[str, ...]

    @property
    def name(self) -> str:
        """What it is called in the task's arguments."""
        return self.path.removesuffix(".py").rpartition("/")[2]


_ROTATION = (
    "tests/scenarios/test_rotation.py",
    "tests/scenarios/test_rotation_deadline.py",
    "tests/scenarios/test_rotation_documents.py",
    "tests/scenarios/test_rotation_out_of_order.py",
    "tests/scenarios/test_rotation_put_back.py",
    "tests/scenarios/test_rotation_refusals.py",
    "tests/scenarios/test_rotation_schedule_test.py",
    "tests/scenarios/test_own_user.py",
    "tests/scenarios/test_standby.py",
    "tests/scenarios/test_bridge.py",
    "tests/scenarios/test_manual_installation.py",
    "tests/scenarios/test_private_ca.py",
    "tests/scenarios/test_bridge_missing.py::test_where_the_app_in_use_is_not_touched_none_is_left",
)
_MONITORING = (
    "tests/unit/test_monitoring.py",
    "tests/unit/test_monitoring_given_up.py",
    "tests/unit/test_monitoring_time.py",
    "tests/unit/test_monitoring_words.py",
)
MODULES = (
    Module("token_cache.py", ("tests/unit/test_token_cache.py", "tests/unit/test_vending.py")),
    Module("salesforce/refusals.py", ("tests/unit/test_refusals.py", "tests/unit/test_login_refusals.py")),
    Module("vending.py", ("tests/unit/test_vending.py",)),
    Module(
        "fetching.py",
        (
            "tests/unit/test_vending.py",
            "tests/unit/test_fetching.py",
            "tests/unit/test_fetching_failures.py",
            "tests/unit/test_shared_refusals.py",
        ),
    ),
    Module(
        "shared_tokens.py",
        (
            "tests/unit/test_shared_tokens.py",
            "tests/unit/test_shared_refusals.py",
            "tests/unit/test_fetching.py",
            "tests/unit/test_fetching_failures.py",
        ),
    ),
    Module("secret_store.py", ("tests/unit/test_secret_store.py",)),
    Module("settings.py", ("tests/unit/test_settings.py",)),
    Module("credential.py", ("tests/unit/test_credential.py", "tests/unit/test_authority.py")),
    Module("standing_back.py", ("tests/unit/test_standing_back.py", "tests/unit/test_shared_refusals.py")),
    Module(
        "key_choice.py", ("tests/unit/test_key_choice.py", "tests/unit/test_fetching.py", "tests/unit/test_vending.py")
    ),
    Module("keypair.py", ("tests/unit/test_keypair.py", "tests/unit/test_certificate_authority.py")),
    Module(
        "certificate_authority.py",
        ("tests/unit/test_certificate_authority.py", "tests/scenarios/test_private_ca.py"),
    ),
    Module("salesforce/hosts.py", ("tests/unit/test_hosts.py",)),
    Module("salesforce/session.py", ("tests/unit/test_login.py",)),
    Module("salesforce/login.py", ("tests/unit/test_login.py", "tests/unit/test_login_refusals.py")),
    Module("salesforce/metadata.py", ("tests/unit/test_metadata.py", "tests/unit/test_app_certificate.py")),
    Module("salesforce/app_certificate.py", ("tests/unit/test_app_certificate.py",)),
    Module("settling.py", ("tests/unit/test_settling.py",)),
    Module("rotation.py", _ROTATION),
    Module("installing.py", _ROTATION),
    Module("installing_by_hand.py", ("tests/scenarios/test_manual_installation.py",)),
    Module(
        "putting_back.py",
        (
            "tests/scenarios/test_rotation_put_back.py",
            "tests/scenarios/test_rotation_deadline.py",
            "tests/scenarios/test_own_user.py",
            "tests/scenarios/test_standby.py",
        ),
    ),
    Module("rotating_secret.py", ("tests/unit/test_rotating_secret.py", *_ROTATION)),
    Module("monitoring.py", _MONITORING),
    Module("watched_secret.py", _MONITORING),
    Module("bridge.py", ("tests/scenarios/test_bridge.py", "tests/scenarios/test_bridge_missing.py")),
)
