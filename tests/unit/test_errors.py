"""The tree of errors is a contract: callers catch the names, people act on the texts."""

import inspect

import pytest

from salesforce_keypair import errors
from salesforce_keypair.errors import KeyPairError

# Name, parent, and whether time alone may help unless the place of the error says otherwise.
CONTRACT = [
    ("InvalidSettings", "KeyPairError", False),
    ("InvalidRequest", "KeyPairError", False),
    ("InvalidSecret", "KeyPairError", False),
    ("SecretUnavailable", "KeyPairError", False),
    ("HostNotAllowed", "KeyPairError", False),
    ("SalesforceError", "KeyPairError", False),
    ("LoginRefused", "SalesforceError", False),
    ("LoginThrottled", "SalesforceError", True),
    ("SalesforceUnavailable", "SalesforceError", True),
    ("InstallationRefused", "SalesforceError", False),
    ("RotationError", "KeyPairError", False),
    ("NotPending", "RotationError", False),
    ("ForeignCertificate", "RotationError", False),
    ("NotSettled", "RotationError", False),
    ("RolledBack", "RotationError", False),
    ("UnprovedKey", "RotationError", True),
]


def _kinds() -> dict[str, type[KeyPairError]]:
    return {
        name: kind
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, KeyPairError) and kind is not KeyPairError
    }


@pytest.mark.parametrize(("name", "parent", "retryable"), CONTRACT)
def test_each_error_has_the_place_and_the_code_that_callers_know(name: str, parent: str, retryable: bool) -> None:
    kind = _kinds()[name]

    assert kind.__bases__[0].__name__ == parent
    assert kind.code == name
    assert kind("what", remedy="do").retryable is retryable


def test_there_are_no_other_errors_than_those_of_the_contract() -> None:
    assert set(_kinds()) == {name for name, _, _ in CONTRACT}


def test_the_docstring_draws_every_error_at_its_depth() -> None:
    drawn = {}
    for line in (errors.__doc__ or "").splitlines():
        mark, _, rest = line.strip().partition(" ")
        if mark in {"x", "-"}:
            drawn[rest.split()[0]] = 1 if mark == "x" else 2

    assert drawn == {name: 1 if parent == "KeyPairError" else 2 for name, parent, _ in CONTRACT}


def test_the_text_says_what_happened_and_what_to_do() -> None:
    error = errors.InvalidSecret("username is missing", remedy="add it")

    assert str(error) == "username is missing: add it"
    assert (error.what, error.remedy) == ("username is missing", "add it")


def test_one_error_may_differ_from_its_class_about_trying_again() -> None:
    assert errors.LoginRefused("what", remedy="do", retryable=True).retryable
    assert not errors.LoginThrottled("what", remedy="do", retryable=False).retryable
    assert not errors.LoginRefused("what", remedy="do").retryable
