"""Whether an answer is the expected one: outputs as contests compare them, values of function calls with their types.

Named checkers, all over the whole output, whitespace at the ends of lines and of the output aside:

- `lines` (the default): the same lines, each with the same tokens;
- `tokens`: the same tokens, however they are spread over lines;
- `exact`: the same text, but for the whitespace at its end;
- `caseless`: `lines`, upper and lower case alike;
- `unordered`: `lines` in any order.

A token for which a decimal number (with a point or an exponent) is expected may be off by the tolerance, absolutely or
relatively, as testlib's `rcmp` has it; where an integer or a word is expected, it must be the same text.
"""

import math
import re
from collections.abc import Callable

from stages.sandbox.plain import Members, Pairs, decode, encode

TOLERANCE = 1e-6
_DECIMAL = re.compile(r"[+-]?(?=[0-9.]*[.eE])(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?", re.ASCII)
_MAX_TOKEN = 400  # characters of a number

Checker = Callable[[str, str, float], bool]  # output, expected, tolerance


def _lines(output: str, expected: str, tolerance: float) -> bool:
    """
    >>> _lines("1  2 \\n3\\n\\n", "1 2\\n3", 0), _lines("1\\n2", "1 2", 0), _lines("0.3333333", "0.333333", 1e-6)
    (True, False, True)
    """
    given, wanted = _split(output), _split(expected)
    if len(given) != len(wanted):
        return False
    return all(a == b or _tokens(a, b, tolerance) for a, b in zip(given, wanted, strict=True))


def _split(text: str) -> list[str]:
    return text.replace("\r\n", "\n").strip().split("\n")


def _tokens(output: str, expected: str, tolerance: float) -> bool:
    given, wanted = output.split(), expected.split()
    return len(given) == len(wanted) and all(
        a == b or _close(a, b, tolerance) for a, b in zip(given, wanted, strict=True)
    )


def _close(given: str, wanted: str, tolerance: float) -> bool:
    if len(given) > _MAX_TOKEN or not _DECIMAL.fullmatch(wanted) or not _NUMBER.fullmatch(given):
        return False
    return _near(float(given), float(wanted), tolerance)


def _near(given: float, wanted: float, tolerance: float) -> bool:
    if not (math.isfinite(given) and math.isfinite(wanted)):
        return given == wanted or (math.isnan(given) and math.isnan(wanted))
    return abs(given - wanted) <= tolerance * max(1.0, abs(wanted))


def _exact(output: str, expected: str, tolerance: float) -> bool:
    return output.rstrip() == expected.rstrip()


def _caseless(output: str, expected: str, tolerance: float) -> bool:
    return _lines(output.casefold(), expected.casefold(), tolerance)


def _unordered(output: str, expected: str, tolerance: float) -> bool:
    """The lines sorted by their tokens; with a tolerance only where that leaves the order as it is."""
    given, wanted = ("\n".join(sorted(" ".join(line.split()) for line in _split(text))) for text in (output, expected))
    return _lines(given, wanted, tolerance)


NAMED: dict[str, Checker] = {
    "lines": _lines,
    "tokens": _tokens,
    "exact": _exact,
    "caseless": _caseless,
    "unordered": _unordered,
}


def same_value(answer: str, expected: object, tolerance: float) -> bool:
    """Whether a call's answer, in plain.py's text, is the expected value.

    Types count: True is no 1, and "1" is none. But a tuple is a list, a number may be a float or an integer, and only
    where a float is expected the tolerance holds.

    Raises:
        ValueError: the answer is no value.

    >>> same_value("[1,2.0000001]", (1, 2.0), 1e-6), same_value("true", 1, 0), same_value("1.0", 1, 0)
    (True, False, True)
    """
    try:
        return _same(decode(answer), decode(encode(expected)), tolerance)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _same(given: object, wanted: object, tolerance: float) -> bool:
    if isinstance(wanted, float):
        if isinstance(given, bool) or not isinstance(given, int | float):
            return False
        try:
            return _near(float(given), wanted, tolerance)
        except OverflowError:
            return False
    if type(wanted) is int and type(given) is float:
        return given == wanted
    if type(given) is not type(wanted):
        return False
    if isinstance(given, list) and isinstance(wanted, list):
        return len(given) == len(wanted) and all(_same(a, b, tolerance) for a, b in zip(given, wanted, strict=True))
    if isinstance(given, Pairs) and isinstance(wanted, Pairs):
        named = dict(given.items)
        if len(named) != len(given.items) or len(named) != len(wanted.items):
            return False
        return all(key in named and _same(named[key], value, tolerance) for key, value in wanted.items)
    if isinstance(given, Members) and isinstance(wanted, Members):
        return given.texts == wanted.texts
    return given == wanted
