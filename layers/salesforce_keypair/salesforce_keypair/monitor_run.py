"""One run of the monitor over many secrets: each has its share of the time, and none is passed over in silence."""

from collections.abc import Callable, Iterator, Sequence

from salesforce_keypair.findings import Report
from salesforce_keypair.timing import Deadline

# What asking the vendor takes at most: it is stopped after 30 seconds, and asked twice where the network swallows that.
_VEND_SECONDS = 75.0

Examine = Callable[[str, Deadline], Report]
"""Measure a secret; asking the vendor goes beyond the deadline. Raises nothing."""


def examine_each(examine: Examine, secret_ids: Sequence[str], deadline: Deadline) -> Iterator[Report]:
    """The report of each secret, one after the other; that of one for which no time is left says so.

    What a secret doesn't need of its share the others get.
    """
    # A run that is short from the start has time to begin, all the same.
    vend = min(_VEND_SECONDS, deadline.remaining() / 2)
    for done, secret_id in enumerate(secret_ids):
        spare = deadline.remaining() - vend
        if spare > 0:
            yield examine(secret_id, deadline.within(spare / (len(secret_ids) - done)))
        else:
            yield _left_out(secret_id)


def _left_out(secret_id: str) -> Report:
    report = Report(secret_id)
    report.not_made(
        f"{secret_id} wasn't looked at: those before it took the time of this run",
        "make doctor for one of those that are slow, or give some of them a stack of their own",
        error="OutOfTime",
    )
    return report
