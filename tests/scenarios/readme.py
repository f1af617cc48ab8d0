"""What the README and the docs tell people to write and to type, as it stands there."""

import re
from collections.abc import Iterator

from tests.sandbox.world import ROOT

PAGES = ("README.md", *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").glob("*.md")))
_FOR_CALLERS = ("README.md", "docs/callers.md")
_BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def all_blocks(page: str) -> Iterator[tuple[str, str]]:
    """Each block of a page: its language and its text."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return ((block["language"], block["text"]) for block in _BLOCK.finditer(text))


def blocks(language: str, page: str) -> Iterator[str]:
    """The blocks of a page that are in a language."""
    return (text for of, text in all_blocks(page) if of == language)


def snippets(language: str, *, using: str, vendor: str = "token-vendor") -> list[str]:
    """What callers are told to write in a language, where it holds the text `using`, told the vendor's name."""
    found = (text for page in _FOR_CALLERS for text in blocks(language, page))
    return [text.replace("<TokenVendorFunctionName>", vendor) for text in found if using in text]
