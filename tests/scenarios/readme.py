"""What the README tells callers to write, as it stands there."""

import re

from tests.sandbox.world import ROOT

_BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def snippets(language: str, *, using: str, vendor: str = "token-vendor") -> list[str]:
    """The blocks of code in a language that hold the text `using`, told the vendor's name."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = [block["text"] for block in _BLOCK.finditer(readme) if block["language"] == language]
    return [text.replace("<TokenVendorFunctionName>", vendor) for text in found if using in text]
