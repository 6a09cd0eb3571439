r"""The final answer of a response, in linear time.

The last of each mark counts and nothing falls back: a response whose last `<answer>` or `\boxed` is
unclosed or empty has no answer, even if an earlier one was whole. `final_answer` asks for a mark, as training on a
template does; `find_answer` also reads what models say in words ("the answer is 5").
"""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from stages.contract.transcript import ANSWER, END_ANSWER, END_THINK, THINK, Template

MAX_RESPONSE = 1 << 20  # characters
MAX_ANSWER = 4096
MAX_NESTING = 64  # braces within a box
MAX_PLAIN = 200  # a summary longer than this without a mark holds no recognisable answer


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """The answer's text, or None and why: `no_answer` (nothing there) or `bad_format` (a broken mark)."""

    answer: str | None
    reason: str = ""
    others: tuple[str, ...] = ()  # what else the answer may be, see `find_answer`
    bare: bool = False  # nothing marks the answer


NO_ANSWER = Extraction(answer=None, reason="no_answer")
BAD_FORMAT = Extraction(answer=None, reason="bad_format")


def after_thought(response: str, template: Template = "tiny") -> str | None:
    """What follows the last `</think>`. None where a thought never ends; under `chat`, also where none was closed."""
    _, closed, after = response.rpartition(END_THINK)
    return None if THINK in after or (template == "chat" and not closed) else after


def final_answer(response: str, template: Template = "tiny") -> Extraction:
    r"""Extract the final answer, from where the template has it.

    Only what follows the last `</think>` is looked at, there the last `<answer>` (not under `chat`, which has no such
    tag: its answer is in the summary), in that the last `\boxed{}`, or else GSM8K's `####`. Without any mark, the text
    between the answer tags is the answer, or a short summary after a thought; bare text without tags is none. A marked
    answer without its tags counts: that they are missing costs the format reward.

    >>> final_answer("<think>6</think><answer>5</answer>").answer
    '5'
    >>> final_answer(r"<think>6</think>So it is \boxed{\frac{1}{2}}.").answer
    '\\frac{1}{2}'
    >>> final_answer(r"\boxed{5} no, \boxed{6").reason, final_answer("5").reason
    ('bad_format', 'no_answer')
    """
    if len(response) > MAX_RESPONSE:
        return BAD_FORMAT
    after = after_thought(response, template)
    if after is None:
        return BAD_FORMAT
    _, tagged, inside = after.rpartition(ANSWER)
    if tagged and template != "chat":
        inside, answer_closed, _ = inside.partition(END_ANSWER)
        return _marked(inside, plain=MAX_ANSWER) if answer_closed else BAD_FORMAT
    return _marked(after, plain=MAX_PLAIN if len(after) < len(response) else 0)


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


MAX_TAIL = 20_000  # characters at the end in which spoken answers are looked for
MAX_SPOKEN = 400  # of an answer in a sentence
_KEYWORDS = (
    *("answer", "correct option", "correct choice", "right option", "答案", "故选", "应选", "选择", "respuesta"),
    *("réponse", "reponse", "antwort", "resposta", "risposta", "ответ", "答え", "정답"),
)
_KEYWORD_END = re.compile(r"s?(?: choice| option)?\b")
_LINK = re.compile(
    r"[*_ \t]*(?:(?:to|for|of)\b[^.\n:=]{1,60}?)?[*_ \t]*(?:final\b|correcta?\b)?[*_ \t]*"
    r"(?::|=|：|\bis\b|\bare\b|\bequals?\b|\bwould be\b|\bshould be\b|\bmust be\b|是|为|選|\bes\b|\best\b|\bist\b|\blautet\b|\bé\b|\bè\b|は|은)"
    r"[*_ \t:：=]*(?:therefore |thus |simply |just |hence )?"
)
_HEADING = re.compile(r"[*_#: \t]*\n\s*")
_CHOSEN = ("故选", "应选", "选择")
_FORMULA = re.compile(r"\$\$([^$]{1,400})\$\$|\$([^$\n]{1,400})\$|\\\(([^\n]{1,400}?)\\\)|\\\[([^$]{1,400}?)\\\]")
_NUMBER = re.compile(
    r"(?:(?<![\w)}.])-)?(?<![A-Za-z0-9_])[$€£]?(?:(?:[1-9][0-9]{0,2}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+)(?:/[0-9]+)?(?: ?%)?"
)
_SENTENCE = re.compile(
    r"[.!?](?=\s|$|\*)|[。！？\n]|,? (?:because|since|as|which|so that|where)\b|; |, (?:so|and thus|hence)\b"
)
_AND = re.compile(r"\s*(?:,\s*and|,|;|and|or)\s*")
_JOINT = re.compile(r"[$\s.]*(?:,|;|and|or|,\s*and)?[$\s]*")


def find_answer(response: str, *, last_number: bool = True) -> Extraction:
    r"""Extract the final answer, also where it is said in words.

    As `final_answer`, and without a mark: after the last "the answer is", "Final answer:" or their like in other
    languages; else a short response as a whole. `others` then holds the last formula or number, if `last_number`,
    for a response that turns out to be a sentence; a long one without a mark has only that. Where the last box
    follows others, joined by commas or "and", `others` holds all of them as a list.

    >>> find_answer("So the answer is $5$, as 2+3=5.").answer, find_answer("答案是 5。").answer
    ('$5$', '5')
    >>> find_answer(r"$\boxed{1}$ and $\boxed{2}$").others, find_answer("She has 7 apples.").others
    (('1, 2',), ('7',))
    """
    if len(response) > MAX_RESPONSE:
        return BAD_FORMAT
    after = after_thought(response)
    if after is None:
        return BAD_FORMAT
    _, tagged, inside = after.rpartition(ANSWER)
    if tagged:
        after, closed, _ = inside.partition(END_ANSWER)
        if not closed:
            return BAD_FORMAT
    boxes = _boxes(after)
    if boxes is not None:
        return boxes
    _, hashes, tail = after.rpartition("####")
    if hashes:
        lines = tail.strip().splitlines()
        return _checked(lines[0]) if lines else BAD_FORMAT
    spoken = _spoken(after[-MAX_TAIL:])
    if spoken:
        value = _last_value(after[-MAX_TAIL:]) if last_number and is_sentence(spoken) else ""
        return Extraction(answer=spoken, others=(value,) if value else (), bare=True)
    return _bare(after.strip(), last_number=last_number)


def _boxes(text: str) -> Extraction | None:
    """The last box, and with the boxes that it is joined to as one list. None: there is no box."""
    start = max(text.rfind("\\boxed"), text.rfind("\\fbox"))
    if start < 0:
        return None
    last = _box_at(text, start)
    if last.answer is None:
        return last
    answers = [last.answer]
    while len(answers) < 10:
        before = max(text.rfind("\\boxed", 0, start), text.rfind("\\fbox", 0, start))
        closing = text.rfind("}", 0, start)
        if before < 0 or closing < before or not _JOINT.fullmatch(text[closing + 1 : start]):
            break
        one = _box_at(text[:start], before)
        if one.answer is None:
            break
        answers.insert(0, one.answer)
        start = before
    return Extraction(answer=last.answer, others=(", ".join(answers),) if len(answers) > 1 else ())


def _box_at(text: str, start: int) -> Extraction:
    after = start + (len("\\boxed") if text.startswith("\\boxed", start) else len("\\fbox"))
    rest = text[after : after + MAX_SPOKEN]
    if rest.startswith(" ") and not rest.lstrip().startswith("{"):  # \boxed 5: one token, as TeX has it
        tokens = rest.replace("$", " ").split()
        return _checked(tokens[0].rstrip(".,")) if tokens else BAD_FORMAT
    found = _box(text, after)
    inner = found.answer or ""
    for wrapper in ("\\boxed", "\\fbox"):  # a box in a box
        if inner.startswith(wrapper):
            return _box(inner, len(wrapper))
    return found


def _spoken(text: str) -> str:
    """What follows the last announcement of an answer; empty if there is none."""
    answer = ""
    lowered = text.lower()
    lowered = lowered if len(lowered) == len(text) else text  # a few letters change their length
    for at, keyword in sorted((at, word) for word in _KEYWORDS for at in _places(lowered, word)):
        ending = _KEYWORD_END.match(lowered, at + len(keyword))
        end = ending.end() if ending else at + len(keyword)
        link = _LINK.match(text, end) or _HEADING.match(text, end)
        if not link and keyword in _CHOSEN:
            said = _statement(text[end : end + MAX_SPOKEN])
        elif link:
            rest = text[link.end() : link.end() + MAX_SPOKEN]
            heading = _HEADING.match(rest)
            said = _statement(rest[heading.end() :] if heading else rest)
        else:
            continue
        if said and not said.lower().startswith(("not ", "n't", "that ", "the ", "to ")):
            answer = said
        elif said.lower().startswith("not "):
            answer = ""
    return answer


def _places(text: str, keyword: str) -> Iterator[int]:
    at = text.find(keyword)
    while at >= 0:
        yield at
        at = text.find(keyword, at + len(keyword))


def _statement(rest: str) -> str:
    """The answer at the head of a text: the formula that it begins with, or the words up to the sentence's end."""
    rest = rest.lstrip(" \t*_:：")
    formula = _FORMULA.match(rest)
    if formula:
        end = formula.end()
        while (joint := _AND.match(rest, end)) and (more := _FORMULA.match(rest, joint.end())):
            end = more.end()
        return rest[:end]
    found = _SENTENCE.search(rest)
    said = rest[: found.start()] if found else rest
    return said.replace("**", "").strip()


def _bare(text: str, *, last_number: bool) -> Extraction:
    """A response without any mark."""
    last = _last_value(text[-MAX_TAIL:]) if last_number else ""
    if not text:
        return NO_ANSWER
    if len(text) <= MAX_PLAIN or (
        len(text) <= MAX_ANSWER and not any(mark in text for mark in "\n.") and " " not in text
    ):
        return Extraction(answer=text, others=(last,) if last else (), bare=True)
    return Extraction(answer=last, bare=True) if last else NO_ANSWER


def _last_value(text: str) -> str:
    """The last formula of a text, or the last number if that comes later."""
    formulas = deque(_FORMULA.finditer(text), maxlen=1)
    formula = formulas.pop() if formulas else None
    numbers = deque(_NUMBER.finditer(text, formula.end() if formula else 0), maxlen=1)
    number = numbers.pop() if numbers else None
    if number:
        return number[0]
    if formula and not (inner := next(group for group in formula.groups() if group)).endswith(" "):
        return inner
    return ""


_COMMANDS = re.compile(r"\\[A-Za-z]+(?:\{[A-Za-z ]*\})?|\$[^$]*\$")
_PLAIN_WORD = re.compile(r"(?<![A-Za-z])(?!(?:or|and|sqrt|sin|cos|tan|log|ln|exp|pi|max|min)\b)[A-Za-z]{2,}")


def is_sentence(text: str) -> bool:
    """Whether plain words stand in a text, outside of commands and formulas."""
    return bool(_PLAIN_WORD.search(_COMMANDS.sub(" ", text)))
