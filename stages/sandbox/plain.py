"""Values of function-call tests as JSON text that keeps Python's types apart. Standard library only.

`true` is no 1, a tuple is a list, and what JSON lacks is a tagged object: {"float": "nan"}, {"int": "0x..."},
{"dict": [[key, value], ...]}, {"set": [...]}, {"bytes": "00ff"}. Only what a value really holds is written: a
subclass's own `__iter__`, `__eq__`, `items` or `__repr__` is never asked.
"""

import json
import math
from dataclasses import dataclass

MAX_DEPTH = 200
_SAFE = 1 << 62  # integers beyond it are written in hexadecimal, which is linear in their length


def encode(value: object) -> str:
    """Write a plain value.

    Raises:
        TypeError: it, or something in it, is no plain value.
        ValueError: it is nested more than MAX_DEPTH deep, or cyclic.

    >>> encode([1, True, (2.5, "x"), {1: None}])
    '[1,true,[2.5,"x"],{"dict":[[1,null]]}]'
    """
    return json.dumps(_tagged(value, MAX_DEPTH), allow_nan=False, separators=(",", ":"))


def _tagged(value: object, depth: int) -> object:
    if depth == 0:
        raise ValueError("nested too deep")
    if value is None or value is True or value is False:
        return value
    # The base classes' own methods are called on purpose: see the module's docstring.
    if isinstance(value, int):
        number = int.__add__(value, 0)
        return number if -_SAFE < number < _SAFE else {"int": hex(number)}
    if isinstance(value, float):
        real = float.__add__(value, 0.0)
        return real if math.isfinite(real) else {"float": float.__repr__(real)}
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, list):
        return [_tagged(item, depth - 1) for item in list.__iter__(value)]
    if isinstance(value, tuple):
        return [_tagged(item, depth - 1) for item in tuple.__iter__(value)]
    if isinstance(value, dict):
        pairs = [[_tagged(key, depth - 1), _tagged(item, depth - 1)] for key, item in dict.items(value)]
        return {"dict": pairs}
    if isinstance(value, set):
        return {"set": [_tagged(item, depth - 1) for item in set.__iter__(value)]}
    if isinstance(value, frozenset):
        return {"set": [_tagged(item, depth - 1) for item in frozenset.__iter__(value)]}
    if isinstance(value, bytes | bytearray):
        return {"bytes": bytes(value).hex()}
    raise TypeError(f"{type(value).__name__} is no plain value")


@dataclass(frozen=True)
class Pairs:
    """A dictionary that was read: keys as their text, so that no hostile key is ever hashed as itself."""

    items: tuple[tuple[str, object], ...]


@dataclass(frozen=True)
class Members:
    """A set that was read: members as their text."""

    texts: frozenset[str]


def decode(text: str) -> object:
    """Read a plain value: None, bool, int, float, str, bytes, list (for tuples too), Pairs or Members.

    Raises:
        ValueError: the text is nothing that `encode` writes.

    >>> decode('[1,true,{"float":"inf"},{"dict":[[1,null]]}]')
    [1, True, inf, Pairs(items=(('1', None),))]
    """
    try:
        return _untagged(json.loads(text, parse_constant=_no_constant, parse_int=_short_int))
    except (RecursionError, TypeError) as error:
        raise ValueError(f"no plain value: {type(error).__name__}") from error


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _short_int(digits: str) -> int:
    if len(digits) > 20:
        raise ValueError("a long integer that is not hexadecimal")
    return int(digits)


def _untagged(value: object) -> object:
    if isinstance(value, list):
        return [_untagged(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1:
        raise ValueError("no plain value: an object with other than one tag")
    ((tag, inner),) = value.items()
    match tag, inner:
        case "dict", list():
            return Pairs(tuple((_text(key), _untagged(item)) for key, item in inner))
        case "set", list():
            return Members(frozenset(_text(item) for item in inner))
        case "int", str():
            return int(inner, 16)
        case "float", "nan" | "inf" | "-inf":
            return float(inner)
        case "bytes", str():
            return bytes.fromhex(inner)
    raise ValueError("no plain value: an unknown tag")


def _text(value: object) -> str:
    """A tagged value as one text; sets within it in the order of their members' texts."""
    if isinstance(value, dict) and isinstance(value.get("set"), list):
        value = {"set": sorted(_text(item) for item in value["set"])}
    return json.dumps(value, separators=(",", ":"))
