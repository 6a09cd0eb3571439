r"""Whether an answer's text matches a gold answer's: letters of choices, words, then every reading of both."""

import re

from stages.rewards.answers import plain_text, readings
from stages.rewards.cleaning import clean
from stages.rewards.compare import Leaves, NeedsAlgebraError, same, solves
from stages.rewards.notation import EMPTY_WORDS, REAL_WORDS, STOP_WORDS
from stages.rewards.tree import Node

_WORDS = re.compile(r"[^\W\d_]+(?:[ '-][^\W\d_]+)*")
_LETTER = re.compile(r"\(?([A-J])\)?[.:]?")
_CHOSEN = re.compile(
    r"(?i:the )?(?i:option|choice|answer)?:? ?[(\[]?([A-Ja-j])(?:[)\]][.:]?|[.:])?(?P<rest>(?<=[).:\]]) ?.*)?",
    re.DOTALL,
)
_OTHERS = re.compile(r"\([A-J]\)|\b(?:or|and|not)\b|(?<![A-Za-z\\])[A-J](?![A-Za-z])")
_SEVERAL = re.compile(r"\(?([A-H])\)?(?:(?: ?[,;&] ?| and | )?\(?([A-H])\)?)+")
_ROMAN = re.compile(r"[IVX]+(?:(?:, ?and |, ?| and )[IVX]+)+(?: only)?")
_TIME = re.compile(r"(\d{1,2}):(\d{2}) ?(?:([ap]) ?\.? ?m)?")
_FONT = re.compile(r"\\(?:text|mathrm|mathbf|mbox|boldsymbol|textnormal|operatorname)[a-z]* ?\{([^{}]*)\}|\$|\*\*")


def matches(gold: str, answer: str, leaves: Leaves) -> bool:
    r"""Whether the answer says what the gold answer says.

    Raises:
        NeedsAlgebraError: from the leaves, if no reading matches without algebra.
    """
    known = by_words(gold, answer)
    if known is not None:
        return known
    undecided = False
    for expected in readings(gold):
        for got in readings(answer):
            try:
                if _hopeless(expected, got):
                    continue
                if same(expected, got, leaves) or solves(expected, got, leaves):
                    return True
            except NeedsAlgebraError:
                undecided = True
    if undecided:
        raise NeedsAlgebraError
    return False


def _hopeless(expected: Node, got: Node) -> bool:
    return expected.kind != got.kind and "text" in (expected.kind, got.kind) and "rel" not in (expected.kind, got.kind)


def by_words(gold: str, answer: str) -> bool | None:
    r"""What letters and words alone decide; None where they don't.

    >>> by_words("B", r"\textbf{(B) } 42"), by_words("B", "A or B"), by_words("left", r"\text{Right}")
    (True, False, False)
    """
    expected = _letters(gold)
    if found := _LETTER.fullmatch(expected):
        return _chosen(found[1], _letters(answer))
    if _SEVERAL.fullmatch(expected) and len(expected) > 2:
        got = _letters(answer)
        if _SEVERAL.fullmatch(got) and (expected.isalpha() != got.isalpha() or not expected.isalpha()):
            return sorted(re.sub(r"[^A-H]", "", expected)) == sorted(re.sub(r"[^A-H]", "", got))
    if len(expected) > 3 and (found := _CHOSEN.fullmatch(expected)) and expected.startswith("(") and found["rest"]:
        got_letter = _CHOSEN.fullmatch(_letters(answer))
        if got_letter and got_letter[1].upper() == found[1].upper():
            return True
    if _ROMAN.fullmatch(expected) and _ROMAN.fullmatch(got := _letters(answer)):
        return sorted(re.findall(r"[IVX]+", expected)) == sorted(re.findall(r"[IVX]+", got))
    first, second = plain_text(clean(gold)), plain_text(clean(answer))
    if (time := _TIME.fullmatch(first)) and (other := _TIME.fullmatch(second)) and (time[3] or other[3]):
        halves = {found[3] for found in (time, other)} - {None}
        return len(halves) == 1 and [int(part) for part in time.groups()[:2]] == [
            int(part) for part in other.groups()[:2]
        ]
    if not first or not second:
        return None if clean(answer) else False
    if first == second and _WORDS.fullmatch(first) and (len(first) > 3 or _short_word(gold, answer, first)):
        return True
    if all(_WORDS.fullmatch(text) and (len(text) > 3 or not text.isascii()) for text in (first, second)):
        # Two words, and no product of letters or constant's name: only equal if they are equal.
        named = not {first, second}.isdisjoint(EMPTY_WORDS | REAL_WORDS) or any(
            "\\" in _letters(text) or "√" in text for text in (gold, answer)
        )
        return None if named else first == second
    return None


def _short_word(gold: str, answer: str, word: str) -> bool:
    """Whether two or three letters are a word, whose case doesn't count, and not a product of variables."""
    return len(word) > 1 and (word in STOP_WORDS or "\\text" in gold or "\\text" in answer or not word.isascii())


def _letters(text: str) -> str:
    """The text without fonts and delimiters, for reading choices."""
    return " ".join(_FONT.sub(r" \1 ", clean(text)).replace("\\ ", " ").replace("~", " ").split())


def _chosen(letter: str, answer: str) -> bool | None:
    """Whether one choice, and no other, is named. Case counts beyond F, where letters are rather variables."""
    found = _CHOSEN.fullmatch(answer)
    if not found:
        return None if "=" in answer else False
    rest = found["rest"] or ""
    if _OTHERS.search(rest):
        return False
    return found[1] == letter or (found[1].upper() == letter and letter <= "F")
