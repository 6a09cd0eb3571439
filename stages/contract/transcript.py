"""How a question becomes a prompt, and how a response falls into thought and answer.

Sources: the R1-Zero template is Table 1 of the paper; the chat form (a thought, then a summary) is that of its SFT
listings and of the published models; the tiny template is the embedded world's.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

Template = Literal["tiny", "r1_zero", "chat"]
THINK, END_THINK, ANSWER, END_ANSWER = "<think>", "</think>", "<answer>", "</answer>"
USER, ASSISTANT, END = "<|user|>", "<|assistant|>", "<|end|>"
TAGS = (USER, ASSISTANT, END, THINK, END_THINK, ANSWER, END_ANSWER)

_ZERO = (
    "This is a conversation between a User, who asks a question, and an Assistant, who solves it. "
    "The Assistant first works the problem out in its mind and then gives the User the answer. The "
    "reasoning stands within <think> </think> and the answer within <answer> </answer>, like this: "
    "<think> reasoning here </think> <answer> answer here </answer>. User: {question}. Assistant:"
)


def render(question: str, template: Template) -> str:
    """The text that the model continues. `chat` leaves the markers to the tokenizer's own chat template.

    >>> render("what is 2+3", "tiny")
    '<|user|>what is 2+3<|assistant|>'
    """
    if template == "tiny":
        return f"{USER}{question}{ASSISTANT}"
    if template == "r1_zero":
        return _ZERO.format(question=question)
    return question


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """A response's parts. `thought` or `answer` is None where the response has no such part."""

    thought: str | None
    answer: str | None
    well_formed: bool


def split(response: str, template: Template = "tiny") -> Transcript:
    """Split a response into its thought and its answer. The thought is found alike under every template.

    Well formed means, with only white space between and around the parts:

    - `tiny`: `<think>`, thought, `</think>`, `<answer>`, answer, `</answer>`, each tag once and in this order.
    - `r1_zero`: the same, and neither part is empty, and nothing else looks like a tag (`forms_of_tags`).
    - `chat`: `<think>`, thought, `</think>`, summary; neither is empty, and nothing else looks like a tag. The answer is
      the summary. An engine whose own chat template opens the thought in the prompt must put `<think>` back.

    An unclosed thought has no answer; under `chat` a response without a thought has none either, since what the prompt
    may have opened was never closed.

    >>> split("<think>2+3</think><answer>5</answer>")
    Transcript(thought='2+3', answer='5', well_formed=True)
    >>> split("<think>2+3</think>So it is 5.", "chat")
    Transcript(thought='2+3', answer='So it is 5.', well_formed=True)
    >>> split("<think>2+3")
    Transcript(thought='2+3', answer=None, well_formed=False)
    >>> split("5").answer is None
    True
    """
    if template == "chat":
        return _summarised(response)
    found = _tagged(response)
    if template == "tiny" or not found.well_formed:
        return found
    strict = bool(found.thought and found.thought.strip() and found.answer) and forms_of_tags(response) == 4
    return Transcript(thought=found.thought, answer=found.answer, well_formed=strict)


def _tagged(response: str) -> Transcript:
    before, opened, rest = response.partition(THINK)
    if opened:
        thought, closed, after = rest.partition(END_THINK)
        if not closed:
            return Transcript(thought=thought, answer=None, well_formed=False)
    else:
        before, thought, after = "", None, response
    head, has_answer, tail = after.rpartition(ANSWER)
    if not has_answer:
        # The chat form: what follows the thought is the summary.
        return Transcript(thought=thought, answer=after.strip() or None if opened else None, well_formed=False)
    answer, answer_closed, trailing = tail.partition(END_ANSWER)
    # Where only blanks stand around the two parts, a second tag can only be within them.
    well_formed = bool(
        opened and answer_closed and not (before.strip() or head.strip() or trailing.strip())
        and not (THINK in rest or ANSWER in (thought or "") or END_ANSWER in (thought or "") or END_THINK in answer)
    )  # fmt: skip
    return Transcript(thought=thought, answer=answer.strip() if answer_closed else None, well_formed=well_formed)


def _summarised(response: str) -> Transcript:
    before, opened, rest = response.partition(THINK)
    thought, closed, _ = rest.partition(END_THINK)
    if not opened or not closed:
        return Transcript(thought=thought if opened else None, answer=None, well_formed=False)
    summary = response.rpartition(END_THINK)[2].strip()
    well_formed = bool(not before.strip() and thought.strip() and summary) and forms_of_tags(response) == 2
    return Transcript(thought=thought, answer=summary or None, well_formed=well_formed)


_TAG = re.compile(r"<\s{0,3}/?\s{0,3}(?:think|answer)\b[^<>]{0,20}>|<\|[^<>]{1,40}\|>")


def forms_of_tags(text: str) -> int:
    """How many parts of a text are a tag or look like one to a reader: in another case, with blanks or attributes, in
    full-width letters, with invisible characters in between, or another conversation's markers (`<|user|>`).

    >>> forms_of_tags("<think>a</think> 3 < 4"), forms_of_tags("< THINK >a<\uff5cUser\uff5c>b<th\u200bink>")
    (2, 3)
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", "".join(c for c in text if unicodedata.category(c) != "Cf"))
    return sum(1 for _ in _TAG.finditer(text.casefold()))
