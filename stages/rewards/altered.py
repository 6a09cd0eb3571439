r"""Wrong answers that lie near a right one: what a sound reward must not pay for.

A number's last digit, a digit more, the sign, an exponent, an interval's ends, a set's last element; for a program what
prints the beginning of the output alone, or more than the output. Alterations that would leave the value as it is
(`-0`, `\pm`) are not made.
"""

import json
import re
from collections.abc import Iterator

from stages.contract.task import Task
from stages.rewards.plain import read

_DIGITS = re.compile(r"[0-9]+")
_EXPONENT = re.compile(r"\^\{?([0-9]+)\}?")
_PAIR = re.compile(r"^(\\left)?([(\[])([^,()\[\]{}]+),([^,()\[\]{}]+)(\\right)?([)\]])$")
_SET = re.compile(r"^(\\left)?\\\{(.+),([^,{}]+)(\\right)?\\\}$")


def altered(task: Task) -> Iterator[tuple[str, str]]:
    """Wrong answers to a task, as (what was done, answer).

    >>> task = Task(id="", kind="reasoning", family="", difficulty=0, language="en", prompt="", answer="[1, 2)")
    >>> dict(altered(task))["ends swapped"]
    '[2, 1)'
    """
    if task.code:
        yield from _programs(task)
    elif task.tests:
        yield from _expressions(task.answer)
    else:
        yield from _answers(task.answer)


def _answers(gold: str) -> Iterator[tuple[str, str]]:
    digits = list(_DIGITS.finditer(gold))
    number = read(gold).number
    if digits:
        start, end = digits[-1].span()
        for how, text in (
            ("digit", f"{gold[: end - 1]}{(int(gold[end - 1]) + 1) % 10}{gold[end:]}"),
            ("appended digit", f"{gold[:end]}7{gold[end:]}"),  # a zero could vanish at the end of a decimal
        ):
            if number is None or read(text).number != number:
                yield how, text
        if number != 0 and "\\pm" not in gold and "±" not in gold:
            yield "sign", gold[1:] if gold.startswith("-") else f"-{gold}"
    else:
        yield "appended letter", f"{gold}q"
    if exponent := _EXPONENT.search(gold):
        start, end = exponent.span(1)
        yield "exponent", f"{gold[:start]}{int(exponent[1]) + 1}{gold[end:]}"
    pair = _PAIR.match(gold.strip())
    if pair and pair[3].strip() != pair[4].strip():
        left, right = pair[3].strip(), pair[4].strip()
        yield "ends swapped", f"{pair[1] or ''}{pair[2]}{right}, {left}{pair[5] or ''}{pair[6]}"
    if parts := _SET.match(gold.strip()):
        yield "element dropped", f"\\{{{parts[2]}\\}}"
    yield "empty", ""


def _expressions(gold: str) -> Iterator[tuple[str, str]]:
    """Of the embedded world's programs."""
    yield "plus one", f"({gold})+1"
    yield "sign", f"-({gold})-1"
    yield "no program", f"return {gold}"
    yield "twice", f"{gold} {gold}"
    yield "empty", ""


def _programs(task: Task) -> Iterator[tuple[str, str]]:
    """Of a code task's: programs that print too little or too much, and one that prints nothing."""
    wanted = json.loads(task.code)
    yield "empty", "pass"
    if wanted.get("type") != "stdin" or str(wanted.get("language", "python")) != "python":
        return
    first = str(wanted["cases"][0]["output"]).rstrip()
    if len(first) > 1:
        yield "prefix only", f"print({first[:-1]!r})"
    if task.answer:
        yield "extra output", f"{task.answer}\nprint('and more')"
