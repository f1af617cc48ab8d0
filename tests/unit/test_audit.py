"""`make audit`: what is made of pip-audit's report."""

from tests.audit import told_of

GOOD = {"name": "requests", "version": "2.34.0", "vulns": []}
BAD = {"name": "urllib3", "version": "1.0", "vulns": [{"id": "PYSEC-2023-1", "fix_versions": ["2.0", "2.1"]}]}
UNFIXED = {"name": "old", "version": "3", "vulns": [{"id": "GHSA-1", "fix_versions": []}]}
SKIPPED = {"name": "six", "skip_reason": "Dependency not found on PyPI and could not be audited: six (1.17.0)"}


def test_each_vulnerability_is_named_with_the_version_that_has_none() -> None:
    assert told_of([GOOD, BAD, UNFIXED], strict=True) == (
        [
            "urllib3 1.0: PYSEC-2023-1, fixed in 2.0, 2.1",
            "old 3: GHSA-1, fixed in no version",
            "3 packages audited, 2 vulnerabilities known",
        ],
        False,
    )


def test_what_wasnt_audited_is_said_and_fails_where_that_is_asked_for() -> None:
    told, failed = told_of([GOOD, SKIPPED], strict=False)
    assert told == [
        "1 packages audited, 0 vulnerabilities known",
        "not audited, for the registry tells nothing of them: 1 packages",
    ]
    assert not failed
    assert told_of([GOOD, SKIPPED], strict=True)[1]
    assert not told_of([GOOD], strict=True)[1]
