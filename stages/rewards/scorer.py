"""What a response earns: accuracy, format and language by rules, each kept apart, and why; and their weighed sum.

Paper: section 2.2 and B.3. The weights are params (the paper adds accuracy and format with the same weight,
language on top).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from stages.contract.params import Reward
from stages.contract.task import Score, Scorer, Task
from stages.contract.transcript import split
from stages.rewards.expressions import run_tests
from stages.rewards.extraction import final_answer
from stages.rewards.language import consistency
from stages.rewards.maths import compare, read

Verdict = Literal["correct", "wrong", "unknown"]
Judge = Callable[[Sequence[Task], Sequence[str]], list[float | None]]
"""(tasks, responses) -> a reward model's scores, None where none applies."""


@dataclass(frozen=True, kw_only=True)
class Grade:
    """A graded response.

    `reason` says why accuracy is what it is: `correct`, `wrong`, `truncated`, `no_answer`, `bad_format`
    (a broken answer mark), `invalid_program`, `not_rule_graded`, or `unknown:` and why the grader could not
    decide. `answer` is the extracted answer in canonical form, for voting; None never votes.
    """

    verdict: Verdict
    reason: str
    answer: str | None
    accuracy: float  # 1.0 if and only if the verdict is correct
    format: float
    language: float


def grade(task: Task, response: str, *, finished: bool) -> Grade:
    """Grade a response, without its end token. `finished`: it ended by itself, not at the length limit.

    A truncated response is wrong, even if an answer already stands in it: what would have followed is
    not known. Tasks that rules can't grade (helpful, safety) get verdict unknown and accuracy 0.
    """
    transcript = split(response)
    verdict, reason, answer = _accuracy(task, response, finished=finished)
    return Grade(
        verdict=verdict,
        reason=reason,
        answer=answer,
        accuracy=float(verdict == "correct"),
        format=float(transcript.well_formed and finished),
        language=consistency(transcript.thought, task.language),
    )


def _accuracy(task: Task, response: str, *, finished: bool) -> tuple[Verdict, str, str | None]:
    """Verdict, reason and canonical answer."""
    if task.kind != "reasoning":
        return "unknown", "not_rule_graded", None
    if not finished:
        return "wrong", "truncated", None
    found = final_answer(response)
    if found.answer is None:
        return "wrong", found.reason, None
    if task.tests:
        result = run_tests(found.answer, task.tests)
        if result.program is None:
            return "wrong", "invalid_program", None
        return ("correct", "correct", result.program) if result.passed else ("wrong", "wrong", result.program)
    compared = compare(task.answer, found.answer)
    answer = read(found.answer).text or None
    if compared.verdict == "unknown":
        return "unknown", f"unknown:{compared.reason}", answer
    return compared.verdict, compared.verdict, answer


def gold_problem(answer: str) -> str | None:
    """Why a gold answer can't be graded as it should: `unparsable_gold`, `needs_algebra`, or None.

    >>> gold_problem("1,080"), gold_problem("left"), gold_problem("x+1"), gold_problem(" ")
    (None, None, 'needs_algebra', 'unparsable_gold')
    """
    kind = read(answer).kind
    return {"invalid": "unparsable_gold", "expression": "needs_algebra"}.get(kind)


def refused(response: str, phrases: Sequence[str]) -> bool:
    """Whether the part that the user reads holds one of the refusal phrases; a thought about refusing is none.

    >>> refused("<think>could refuse</think><answer>I can't help with that</answer>", ["can't help"])
    True
    """
    transcript = split(response)
    read_by_user = transcript.answer or ("" if transcript.thought is not None else response)
    shown = read_by_user.casefold()
    return any(phrase.casefold() in shown for phrase in phrases)


def scorer(weights: Reward, judge: Judge | None = None) -> Scorer:
    """Rules, weighed by the params; on general prompts the reward model's score, where there is a judge.

    Paper, stage 2: reasoning prompts earn the rules' reward, general ones the reward model's and the
    format's; language consistency is added to both.
    """

    def score_all(
        tasks: Sequence[Task], texts: Sequence[str], finished: Sequence[bool], lengths: Sequence[int], limit: int
    ) -> list[Score]:
        preferences = judge(tasks, texts) if judge else [None] * len(tasks)
        scores = []
        for task, text, done, length, preference in zip(tasks, texts, finished, lengths, preferences, strict=True):
            g = grade(task, text, finished=done)
            score = Score(
                verdict=g.verdict,
                reason=g.reason,
                accuracy=g.accuracy,
                format=g.format,
                language=g.language,
                preference=preference,
                overlong=max(0.0, (length - 0.8 * limit) / (0.2 * limit)),
                reward=0.0,
            )
            reward = sum(getattr(weights, name) * part for name, part in score.parts().items())
            scores.append(replace(score, reward=reward))
        return scores

    return score_all
