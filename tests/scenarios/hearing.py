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
            self.error(record.exc_info[1])

    def error(self, error: BaseException) -> None:
        """An error as Lambda prints it, and as somebody's debugger would."""
        self._texts += traceback.format_exception(error)
        while error is not None:
            self._texts += [repr(error), repr(error.args), repr(vars(error))]
            following = error.__cause__ or error.__context__
            if following is None:
                return
            error = following

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(self._texts)


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
