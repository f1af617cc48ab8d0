"""What the monitor found: measures for CloudWatch, and words for a person."""

from collections.abc import Callable
from dataclasses import dataclass, field

from salesforce_keypair.errors import KeyPairError


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a person should look at: what it is, what to run, and the name of the error behind it."""

    what: str
    run: str
    error: str | None = None


@dataclass
class Report:
    """What was measured of a secret, or of the vendor alone where `secret_id` is None.

    `checks_failed` checks weren't made. A secret `without_key` waits for its first rotation; while it is `spreading`
    Salesforce's servers may disagree about the certificate.
    """

    secret_id: str | None
    measures: dict[str, float] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    checks_failed: int = 0
    without_key: bool = False
    spreading: bool = False

    @property
    def doctor(self) -> str:
        """The command that looks closer."""
        return f"make doctor SECRET={self.secret_id or '<the secret>'}"

    def find(self, what: str, run: str | None = None, *, error: str | None = None) -> None:
        """Add a finding."""
        self.findings.append(Finding(what, run or self.doctor, error))

    def attempt(self, what: str, check: Callable[[], object]) -> None:
        """Make a check; one that ends in an error is counted as not made."""
        try:
            check()
        except KeyPairError as error:
            self.not_made(f"{what} can't be checked: {error}", error=error.code)
        except Exception as error:  # noqa: BLE001 - a fault of ours in one check mustn't hide what the others find
            # Without its text, which may be anything.
            name = type(error).__name__
            self.not_made(f"{what} can't be checked: {name}, a fault in the monitor itself", error=name)

    def not_made(self, what: str, run: str | None = None, *, error: str) -> None:
        """Count a check that couldn't be made, and say so."""
        self.checks_failed += 1
        self.find(what, run, error=error)
