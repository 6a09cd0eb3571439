"""An independent reader of the embedded world's questions: from the text alone to what it asks and its answer.

It shares no code with stages.tasks, so that both would have to be wrong in the same way.
"""

import re
from dataclasses import dataclass

_WORD_EN = re.compile(r"[A-Z][a-z]+ has (\d+)(?: bags of (\d+))?((?: (?:gets|loses) \d+)*) how many")
_WORD_ZH = re.compile(r"小.有(\d+)(?:袋各(\d+))?((?:[得失]\d+)*)还有几")
_LOGIC = re.compile(r"(?:ball in |球在)(\d)(?: swap |换)((?:\d\d ?)+)(?: ?where|在哪)")
_CODE = re.compile(r"(?:write|写出) f f\((\d+)\)=(\d+) f\((\d+)\)=(\d+)")
_CHAIN = re.compile(r"what is ([0-9+*-]+)|([0-9+*-]+)等于几")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a question asks, whatever its language or story (equal for equal problems), and its answer."""

    what: tuple[str, str]
    answer: str


def read(question: str) -> Asked | None:
    """What a question asks; None for what is no problem of the world's."""
    if found := _CHAIN.fullmatch(question):
        return _sum(found[1] or found[2])
    if found := _WORD_EN.fullmatch(question) or _WORD_ZH.fullmatch(question):
        start = f"{found[1]}*{found[2]}" if found[2] else found[1]
        signs = found[3].replace("gets", "+").replace("loses", "-").replace("得", "+").replace("失", "-")
        return _sum(start + signs.replace(" ", ""))
    if found := _LOGIC.fullmatch(question):
        cups, swaps = ["", "", "", "", ""], found[2].split()
        cups[int(found[1])] = "ball"
        for swap in swaps:
            a, b = int(swap[0]), int(swap[1])
            cups[a], cups[b] = cups[b], cups[a]
        return Asked(what=("logic", f"{found[1]} {' '.join(swaps)}"), answer=str(cups.index("ball")))
    if found := _CODE.fullmatch(question):
        x1, y1, x2, y2 = (int(n) for n in found.groups())
        slope, rest = divmod(y2 - y1, x2 - x1)
        assert rest == 0
        return Asked(what=("code", f"{x1} {y1} {x2} {y2}"), answer=f"{slope} {y1 - slope * x1}")
    return None


def _sum(expression: str) -> Asked:
    """Python's own precedence; the world works from left to right, which must come to the same."""
    return Asked(
        what=("sum", expression), answer=str(eval(expression))
    )  # digits and signs alone, by the patterns above


def line(program: str) -> str:
    """`x*2-5` as slope and offset, read off two values."""
    assert re.fullmatch(r"x(\*\d+)?([+-]\d+)?", program), program
    at = [eval(program, {"x": x}) for x in (0, 1)]
    return f"{at[1] - at[0]} {at[0]}"
