"""Salesforce record ids: 15 case-sensitive characters, or 18 with a checksum."""

import secrets
import string

_ALPHABET = string.ascii_letters + string.digits
_CHECKSUM = string.ascii_uppercase + "012345"


def new_id(prefix: str) -> str:
    """A fresh 18-character id whose first three characters name the kind of record."""
    return with_checksum(prefix + "0" * 4 + random_text(15 - len(prefix) - 4))


def with_checksum(short: str) -> str:
    """The 18-character form of a 15-character id: three characters that encode which letters are capitals."""
    chunks = (short[start : start + 5] for start in range(0, 15, 5))
    return short + "".join(
        _CHECKSUM[sum(1 << place for place, letter in enumerate(chunk) if letter in string.ascii_uppercase)]
        for chunk in chunks
    )


def random_text(length: int) -> str:
    # Not quite even, which nothing depends on; a choice for each letter is what half the time of a login would go into.
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in secrets.token_bytes(length))
