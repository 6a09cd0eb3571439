"""r1's rewards in the form that TRL's GRPOTrainer takes: `reward_funcs=[trl.maths_reward, trl.format_reward]`.

A reward function gets the completions and the data set's columns as keywords, and returns one number for each
completion. None says that the reward doesn't apply: TRL then leaves it out of the sum. An unknown verdict is None, so
that a grader's failure is no zero. TRL itself is not imported here.
"""

from collections.abc import Mapping, Sequence

from stages.contract.transcript import Template, split
from stages.rewards import coding, maths
from stages.rewards.extraction import after_thought
from stages.rewards.formatting import format_reward as well_formed
from stages.rewards.language import consistency, dominant

Completion = str | Sequence[Mapping[str, str]]
"""A text, or in conversational data sets a list of messages."""


def maths_reward(
    completions: Sequence[Completion],
    answer: Sequence[str | None] | None = None,
    solution: Sequence[str | None] | None = None,
    **columns: object,
) -> list[float | None]:
    """1.0 where the final answer equals the column `answer` (or `solution`), 0.0 where not, None where that is unknown
    or there is no gold.

    Raises:
        ValueError: the data set has neither column.
    """
    golds = answer if answer is not None else solution
    if golds is None:
        raise ValueError("maths_reward needs a column `answer` or `solution`")
    return [
        _known(maths.grade(_text(completion), gold)) if gold else None
        for completion, gold in zip(completions, golds, strict=True)
    ]


def code_reward(
    completions: Sequence[Completion],
    task: Sequence[Mapping[str, object] | None],
    programming_language: Sequence[str] | None = None,
    **columns: object,
) -> list[float | None]:
    """1.0 where the program passes every case of the column `task` (stages/rewards/code_task.py), else 0.0."""
    languages = programming_language or ["python"] * len(completions)
    return [
        _known(coding.grade(_after_thought(completion), one, language)) if one else None
        for completion, one, language in zip(completions, task, languages, strict=True)
    ]


def format_reward(completions: Sequence[Completion], **columns: object) -> list[float | None]:
    """1.0 for `<think>...</think><answer>...</answer>` and nothing around it, else 0.0."""
    return _formats(completions, "r1_zero")


def chat_format_reward(completions: Sequence[Completion], **columns: object) -> list[float | None]:
    """1.0 for `<think>...</think>` and a summary behind it, and no other tags, else 0.0."""
    return _formats(completions, "chat")


def _formats(completions: Sequence[Completion], template: Template) -> list[float | None]:
    return [well_formed(_text(completion), template) for completion in completions]


def language_reward(
    completions: Sequence[Completion],
    prompts: Sequence[Completion],
    language: Sequence[str] | None = None,
    **columns: object,
) -> list[float | None]:
    """Share of the thought's words in the language of the column `language` (en, zh), or else in the prompt's own."""
    wanted = language or [dominant(_text(prompt)) for prompt in prompts]
    return [
        consistency(split(_text(completion)).thought, one) for completion, one in zip(completions, wanted, strict=True)
    ]


def _text(completion: Completion) -> str:
    return completion if isinstance(completion, str) else "".join(message["content"] for message in completion)


def _after_thought(completion: Completion) -> str:
    return after_thought(_text(completion)) or ""


def _known(verdict: maths.Verdict) -> float | None:
    return None if verdict.status == "unknown" else verdict.reward
