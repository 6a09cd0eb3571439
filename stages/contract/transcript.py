"""How a question becomes a prompt, and how a response falls into thought and answer.

Sources: the R1-Zero template is Table 1 of the paper; the tiny template is the embedded world's.
"""

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


def split(response: str) -> Transcript:
    """Split a response into its thought and its answer.

    Well formed means: `<think>`, thought, `</think>`, `<answer>`, answer, `</answer>`, each tag once,
    in this order, and only white space between and around them. An unclosed thought has no answer.

    >>> split("<think>2+3</think><answer>5</answer>")
    Transcript(thought='2+3', answer='5', well_formed=True)
    >>> split("<think>2+3")
    Transcript(thought='2+3', answer=None, well_formed=False)
    >>> split("5").answer is None
    True
    """
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
    well_formed = bool(
        opened and answer_closed and not (before.strip() or head.strip() or trailing.strip())
        and all(response.count(tag) == 1 for tag in (THINK, END_THINK, ANSWER, END_ANSWER))
    )  # fmt: skip
    return Transcript(thought=thought, answer=answer.strip() if answer_closed else None, well_formed=well_formed)
