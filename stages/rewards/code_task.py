"""A code task as its owner writes it, checked: a task that can't be graded is an error, never a program's failure.

    {"type": "stdin", "cases": [{"input": "3 4", "output": "7"}], "time_limit_s": 2, "memory_limit_mb": 256}
    {"type": "call", "fn_name": "add", "cases": [{"args": [3, 4], "expected": 7}]}

Other keys may hold what their owner likes, but for near misses of these. `fn_name` is a function's name, or a method's of `Solution` (written with or without `Solution.`). Optional: the limits,
`checker` and `float_tolerance`. `checker` is a name of checkers.py, or a special judge for stdin tasks:

    {"code": "...", "language": "python" or "cpp", "accept": "exit" or "stdout"}

It is run with three files as arguments. `exit` (testlib's way): `input output answer`, and exit code 0 accepts, 1 and 2
reject. `stdout` (open-r1/codeforces' way): `input answer output`, and a last line of 1, true, ok or yes accepts, or a
positive number does. Anything else is a failure of the judge.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial

from stages.rewards.checkers import NAMED, TOLERANCE, same_value
from stages.sandbox.limits import MEGABYTE, Limits
from stages.sandbox.plain import encode

_NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]*(?:\.[A-Za-z_][A-Za-z_0-9]*)?", re.ASCII)
_KEYS = {"type", "cases", "time_limit_s", "memory_limit_mb", "fn_name", "checker", "float_tolerance"}
# What any program may print or return; four times what is expected where that is more. A value takes some thirty times
# its text in our memory, when it is read.
_OUTPUT = {"stdin": 8 * MEGABYTE, "call": MEGABYTE}


@dataclass(frozen=True, kw_only=True)
class Case:
    """`given`: the input, or the arguments in plain.py's text. `expected`: an output, or a value."""

    given: str
    expected: object
    size: int  # characters of what is expected, as a text


@dataclass(frozen=True, kw_only=True)
class Special:
    """A special judge: its program, and how it is asked and understood."""

    code: str
    language: str
    accept: str

    @property
    def order(self) -> Sequence[str]:
        return ("input", "output", "answer") if self.accept == "exit" else ("input", "answer", "output")

    def accepts(self, stopped: str, code: int, stdout: bytes) -> bool | None:
        """Whether it accepts; None: it failed."""
        if stopped:
            return None
        if self.accept == "exit":
            return {0: True, 1: False, 2: False}.get(code)
        words = stdout.decode("utf-8", "replace").split()
        if code != 0 or not words:
            return None
        last = words[-1].lower()
        if last in ("true", "ok", "yes", "false", "wrong", "no"):
            return last in ("true", "ok", "yes")
        try:
            return float(last) > 0
        except ValueError:
            return None


@dataclass(frozen=True, kw_only=True)
class CodeTask:
    """A checked task. `fn_name` is empty for stdin tasks; `same` compares an answer with what is expected."""

    fn_name: str
    cases: Sequence[Case]
    limits: Limits
    same: Callable[[str, object], bool]
    special: Special | None


def read_task(task: Mapping[str, object]) -> CodeTask:
    """Check a task.

    Raises:
        ValueError: it can't be graded; the message names the key and what is valid.
    """
    if not isinstance(task, Mapping):
        raise ValueError(f"a code task is a mapping, not {type(task).__name__}")
    kind = task.get("type")
    if not isinstance(kind, str) or kind not in _OUTPUT:
        raise ValueError(f"type: {kind!r} is neither stdin nor call")
    for key in task:
        meant = get_close_matches(str(key), _KEYS, n=1, cutoff=0.8)
        if meant and key not in _KEYS:
            raise ValueError(f"{key}: no key of a code task (did you mean {meant[0]}?)")
    tolerance = _number(task, "float_tolerance", TOLERANCE, zero=True)
    fn_name = ""
    special: Special | None = None
    same: Callable[[str, object], bool] = partial(_same_value, tolerance)
    if kind == "call":
        fn_name = _function_name(task.get("fn_name"))
        if task.get("checker") is not None:
            raise ValueError("checker: a call's value is compared as a value; checkers are for stdin tasks")
    else:
        special, same = _checker(task.get("checker") or "lines", tolerance)
    cases = _cases(task.get("cases"), _call_case if kind == "call" else _stdin_case)
    largest = max(case.size for case in cases)
    limits = Limits(
        cpu_s=_number(task, "time_limit_s", Limits.cpu_s),
        memory=int(_number(task, "memory_limit_mb", Limits.memory / MEGABYTE) * MEGABYTE),
        output=max(_OUTPUT[kind], 4 * largest),
    )
    return CodeTask(fn_name=fn_name, cases=cases, limits=limits, same=same, special=special)


def _same_value(tolerance: float, answer: str, expected: object) -> bool:
    return same_value(answer, expected, tolerance)


def _number(task: Mapping[str, object], key: str, default: float, *, zero: bool = False) -> float:
    value = task.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{key}: {value!r} is no number")
    if not math.isfinite(value) or value < 0 or (value == 0 and not zero) or value > 1e6:
        raise ValueError(f"{key}: {value} is out of range")
    return float(value)


def _function_name(value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(f"fn_name: {value!r} is neither a name nor Class.name")
    return value


def _cases(value: object, read: Callable[[Mapping[str, object]], Case]) -> list[Case]:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes) or not value:
        raise ValueError("cases: a task needs a list of at least one case, or anything would pass")
    cases = []
    for number, case in enumerate(value, 1):
        if not isinstance(case, Mapping):
            raise ValueError(f"cases: case {number} is no mapping")
        try:
            cases.append(read(case))
        except (ValueError, TypeError) as error:
            raise ValueError(f"cases: case {number}: {error}") from error
    return cases


def _stdin_case(case: Mapping[str, object]) -> Case:
    given, expected = case.get("input", ""), case.get("output")
    for key, value in (("input", given), ("output", expected)):
        if not isinstance(value, str):
            raise ValueError(f"{key} is {type(value).__name__}, not a text")
        value.encode()
    return Case(given=str(given), expected=expected, size=len(str(expected)))


def _call_case(case: Mapping[str, object]) -> Case:
    if "expected" not in case:
        raise ValueError("there is no `expected`")
    args = case.get("args")
    if not isinstance(args, list | tuple):
        raise ValueError(f"args is {type(args).__name__}, not a list")
    return Case(given=encode(args), expected=case["expected"], size=len(encode(case["expected"])))


def _checker(value: object, tolerance: float) -> tuple[Special | None, Callable[[str, object], bool]]:
    if isinstance(value, str) and value in NAMED:
        named = NAMED[value]
        return None, lambda output, expected: named(output, str(expected), tolerance)
    if isinstance(value, Mapping):
        special = Special(
            code=str(value.get("code") or ""),
            language=str(value.get("language", "python")),
            accept=str(value.get("accept", "exit")),
        )
        if special.language not in ("python", "cpp") or special.accept not in ("exit", "stdout") or not special.code:
            raise ValueError("checker: a special judge has `code`, `language` (python, cpp), `accept` (exit, stdout)")
        return special, lambda output, expected: False
    raise ValueError(f"checker: {value!r} is neither a special judge nor one of {', '.join(NAMED)}")
