"""JSON of other parties: what can't be written again or handed on is refused when it is read."""

import json
import sys

import pytest

from salesforce_keypair.json_text import parse_json


@pytest.mark.parametrize("opening", ["[", '{"a": '])
def test_what_was_read_can_be_shown_and_written_wherever_the_stack_stands(opening: str) -> None:
    closing = "]" if opening == "[" else "}"
    value = parse_json(opening * 60 + "1" + closing * 60)

    def deep_down(levels: int) -> tuple[str, str]:
        return (str(value), json.dumps(value)) if levels == 0 else deep_down(levels - 1)

    assert deep_down(sys.getrecursionlimit() // 2)


@pytest.mark.parametrize("levels", [65, 500, 100_000])
@pytest.mark.parametrize("opening", ["[", '{"a": '])
def test_what_is_nested_deeper_than_anybody_needs_is_refused(opening: str, levels: int) -> None:
    closing = "]" if opening == "[" else "}"

    with pytest.raises(ValueError, match=r"nested too deeply|recursion"):
        parse_json(opening * levels + "1" + closing * levels)
