"""What the README, and then the page for callers, tell callers to write, as it stands there."""

import re

from tests.sandbox.world import ROOT

_PAGES = ("README.md", "docs/callers.md")
_BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def snippets(language: str, *, using: str, vendor: str = "token-vendor") -> list[str]:
    """The blocks of code in a language that hold the text `using`, told the vendor's name."""
    pages = [(ROOT / page).read_text(encoding="utf-8") for page in _PAGES]
    found = [block["text"] for page in pages for block in _BLOCK.finditer(page) if block["language"] == language]
    return [text.replace("<TokenVendorFunctionName>", vendor) for text in found if using in text]
