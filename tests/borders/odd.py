"""JSON and other texts as no honest party writes them: right ones with something put in the place of something else."""

import copy
import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

_MARK = "\N{SNOWMAN}raw"
_DEEP = 200_000
# What stands in the place of a value, as text: no value of Python's is written like it.
RAW = (
    "NaN",
    "-Infinity",
    "Infinity",
    "1e999",
    "-1e999",
    "1e308",
    "-0.0",
    "5e-324",
    "9" * 4_000,
    "9" * 5_000,
    "-" + "9" * 400,
    "0." + "1" * 5_000,
    '"\\ud800"',
    '"\\udfff\\ud800"',
    '"\\u0000"',
    '"\\u2028\\u202e\\r\\n\\t"',
    '{"a": 1, "a": 2}',
    '[{"a": 1}, {"a": 1, "a": 1}]',
    "tru",
    "'x'",
    "",
    "[" * 60 + "]" * 60,
    "[" * 990 + "]" * 990,
    '{"a": ' * 990 + "1" + "}" * 990,
    "[" * 5_000 + "]" * 5_000,
    "[" * _DEEP,
    '{"a": ' * _DEEP,
    '"' + "a" * 100_000 + '"',
    '"' + "-----BEGIN " * 2_000 + '"',
    '"' + "arn:aws:iam::" * 2_000 + '"',
)
_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2**31,
    2**63,
    2**64,
    10**300,
    0.5,
    -1.5,
    1e300,
    "",
    " ",
    "\0",
    "null",
    "0",
    "x",
    "\ud800",
    "\U0001f4a3",
    "\u0131",
    [],
    {},
    [None],
    [[]],
    {"": None},
    [1, "a", None],
    "https://evil.example",
    "a" * 300,
    "é" * 40,
)

values = st.one_of(
    st.sampled_from(_VALUES),
    st.sampled_from(range(len(RAW))).map(lambda number: f"{_MARK}{number}{_MARK}"),
    st.text(max_size=20),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
)
_CODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "latin-1", "utf-7", "cp037")


@st.composite
def changed(draw: st.DrawFn, right: Any, others: st.SearchStrategy[Any] = values, *, most: int = 3) -> Any:
    """A value with some of what is in it replaced, removed, added or wrapped."""
    value = copy.deepcopy(right)
    for _ in range(draw(st.integers(0, most))):
        # A copy, because the next change may be inside what this one put in.
        value = _changed_once(draw, value, others.map(copy.deepcopy))
    return value


def _changed_once(draw: st.DrawFn, value: Any, others: st.SearchStrategy[Any]) -> Any:
    place = draw(st.sampled_from(list(_places(value))))
    if place is None:
        return draw(others | st.just([value]) | st.just({"value": value}))
    holder, key = place
    match draw(st.sampled_from(("put", "put", "put", "remove", "add", "wrap", "double"))):
        case "put":
            holder[key] = draw(others)
        case "remove":
            del holder[key]
        case "wrap":
            holder[key] = [holder[key]]
        case "double" if isinstance(holder, list):
            holder.append(holder[key])
        case _ if isinstance(holder, dict):
            holder[draw(st.text(max_size=12))] = draw(others)
        case _:
            holder.append(draw(others))
    return value


def _places(value: Any) -> Any:
    """Where something can be changed: the value itself, and each of its members at any depth."""
    yield None
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        for key in list(holder) if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else ():
            yield holder, key
            waiting.append(holder[key])


@st.composite
def written(draw: st.DrawFn, value: Any) -> str:
    """The JSON of a value as text, with what only a text can say put in and, at times, the text itself changed."""
    text = json.dumps(value, ensure_ascii=draw(st.booleans()))
    for number, raw in enumerate(RAW):
        text = text.replace(json.dumps(f"{_MARK}{number}{_MARK}"), raw).replace(f'"{_MARK}{number}{_MARK}"', raw)
    return draw(scratched(text)) if draw(st.integers(0, 4)) == 0 else text


@st.composite
def scratched(draw: st.DrawFn, text: str) -> str:
    """A text cut, doubled or with something put into it."""
    first, second = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
    if second - first > 40 and draw(st.booleans()):
        second = first + draw(st.integers(0, 40))
    match draw(st.sampled_from(("cut", "keep", "remove", "insert", "double"))):
        case "cut":
            return text[:second]
        case "keep":
            return text[first:second]
        case "remove":
            return text[:first] + text[second:]
        case "insert":
            return text[:first] + draw(st.text(max_size=8)) + text[second:]
        case _:
            return text[:second] + text[first:]


@st.composite
def encoded(draw: st.DrawFn, text: str) -> bytes:
    """A text as bytes, most of the time in UTF-8."""
    coding = draw(st.sampled_from(_CODINGS)) if draw(st.integers(0, 5)) == 0 else "utf-8"
    content = text.encode(coding, "surrogatepass" if coding.startswith("utf") and coding != "utf-7" else "replace")
    if draw(st.integers(0, 9)) == 0:
        place = draw(st.integers(0, len(content)))
        content = content[:place] + draw(st.binary(max_size=4)) + content[place + draw(st.integers(0, 4)) :]
    return content


def bodies(right: Any, *, most: int = 3) -> st.SearchStrategy[bytes]:
    """Bodies of answers that should be the JSON of a value."""
    return changed(right, most=most).flatmap(written).flatmap(encoded)


def texts(right: Any, others: st.SearchStrategy[Any] = values, *, most: int = 3) -> st.SearchStrategy[str]:
    """Texts that should be the JSON of a value."""
    return changed(right, others, most=most).flatmap(written)


def weighted(*choices: tuple[int, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """One of the strategies, each as often as its weight says."""
    deck: list[st.SearchStrategy[Any]] = [each for weight, each in choices for _ in range(weight)]
    pick: Callable[[int], st.SearchStrategy[Any]] = deck.__getitem__
    return st.integers(0, len(deck) - 1).flatmap(pick)
