r"""The final answer of a response, in linear time and without regular expressions.

The last of each mark counts and nothing falls back: a response whose last `<answer>` or `\boxed` is
unclosed or empty has no answer, even if an earlier one was whole.
"""

from dataclasses import dataclass

from stages.contract.transcript import ANSWER, END_ANSWER, END_THINK, THINK

MAX_RESPONSE = 1 << 20  # characters
MAX_ANSWER = 4096
MAX_NESTING = 64  # braces within a box
MAX_PLAIN = 200  # a summary longer than this without a mark holds no recognisable answer


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """The answer's text, or None and why: `no_answer` (nothing there) or `bad_format` (a broken mark)."""

    answer: str | None
    reason: str = ""


NO_ANSWER = Extraction(answer=None, reason="no_answer")
BAD_FORMAT = Extraction(answer=None, reason="bad_format")


def final_answer(response: str) -> Extraction:
    r"""Extract the final answer.

    Only what follows the last `</think>` is looked at, there the last `<answer>`, in that the last
    `\boxed{}`, or else GSM8K's `####`. Without any mark, the text between the answer tags is the answer,
    or a short summary after a thought; bare text without tags is none.

    >>> final_answer("<think>6</think><answer>5</answer>").answer
    '5'
    >>> final_answer(r"<think>6</think>So it is \boxed{\frac{1}{2}}.").answer
    '\\frac{1}{2}'
    >>> final_answer(r"\boxed{5} no, \boxed{6"), final_answer("5").reason
    (Extraction(answer=None, reason='bad_format'), 'no_answer')
    """
    if len(response) > MAX_RESPONSE:
        return BAD_FORMAT
    before, closed, after = response.rpartition(END_THINK)
    if THINK in after:
        return BAD_FORMAT  # a thought that never ends, whatever stands in it
    before_answer, tagged, inside = after.rpartition(ANSWER)
    if tagged:
        inside, answer_closed, _ = inside.partition(END_ANSWER)
        return _marked(inside, plain=MAX_ANSWER) if answer_closed else BAD_FORMAT
    return _marked(after, plain=MAX_PLAIN if closed else 0)


def _marked(text: str, *, plain: int) -> Extraction:
    """The answer within a text, which is itself the answer if it has no mark and at most `plain` characters."""
    start = text.rfind("\\boxed")
    if start >= 0:
        return _box(text, start + len("\\boxed"))
    _, hashes, tail = text.rpartition("####")
    if hashes:
        lines = tail.strip().splitlines()
        return _checked(lines[0]) if lines else BAD_FORMAT
    text = text.strip()
    return _checked(text) if len(text) <= plain else NO_ANSWER


def _box(text: str, start: int) -> Extraction:
    """The balanced content of the box whose braces begin at or after `start`. Escaped braces don't count."""
    while start < len(text) and text[start].isspace():
        start += 1
    if not text.startswith("{", start):
        return BAD_FORMAT
    depth, at, end = 0, start, min(len(text), start + MAX_ANSWER)
    while at < end:
        character = text[at]
        if character == "\\":
            at += 1
        elif character == "{":
            depth += 1
            if depth > MAX_NESTING:
                return BAD_FORMAT
        elif character == "}":
            depth -= 1
            if depth == 0:
                inside = text[start + 1 : at].strip()
                return Extraction(answer=inside) if inside else BAD_FORMAT
        at += 1
    return BAD_FORMAT


def _checked(text: str) -> Extraction:
    text = text.strip()
    if not text:
        return NO_ANSWER
    return Extraction(answer=text) if len(text) <= MAX_ANSWER else BAD_FORMAT
