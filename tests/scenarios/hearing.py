"""What the product says while a test listens: log lines with all their members, and errors with their causes."""

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager


class Heard(logging.Handler):
    """Collects everything as text, to be searched."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """A line of the log."""
        self._texts += [record.getMessage(), repr(vars(record))]
        if record.exc_info is not None and record.exc_info[1] is not None:
            self._texts.append(told_by(record.exc_info[1]))

    def taken(self) -> str:
        """All of it since the last time."""
        texts, self._texts = self._texts, []
        return "\n".join(texts)


def told_by(error: BaseException) -> str:
    """An error as Lambda prints it, and as somebody's debugger would, with all that led to it."""
    texts = traceback.format_exception(error)
    cause: BaseException | None = error
    while cause is not None:
        texts += [repr(cause), repr(cause.args), repr(vars(cause))]
        cause = cause.__cause__ or cause.__context__
    return "\n".join(texts)


@contextmanager
def listening() -> Iterator[Heard]:
    """Hear what the package says, however loud its loggers are."""
    heard = Heard()
    logger = logging.getLogger("salesforce_keypair")
    before = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(heard)
    try:
        yield heard
    finally:
        logger.removeHandler(heard)
        logger.setLevel(before)
