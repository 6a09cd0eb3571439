"""What a response earns: accuracy, format and language by rules, each kept apart, and why; and their weighed sum.

Paper: section 2.2 and B.3. The weights are params (the paper adds accuracy and format with the same weight,
language on top).
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from stages.contract.params import Reward
from stages.contract.task import Score, Scorer, Task
from stages.contract.transcript import Template, split
from stages.rewards import coding
from stages.rewards.expressions import run_tests
from stages.rewards.extraction import after_thought, final_answer
from stages.rewards.language import consistency
from stages.rewards.maths import judge, read

Verdict = Literal["correct", "wrong", "unknown"]
Judge = Callable[[Sequence[Task], Sequence[str]], list[float | None]]
"""(tasks, responses) -> a reward model's scores, None where none applies."""


@dataclass(frozen=True, kw_only=True)
class Grade:
    """A graded response.

    `reason` says why accuracy is what it is: `correct`, `wrong`, `truncated`, `no_answer`, `bad_format` (a broken answer
    mark), `unevaluated`, `invalid_program`, what failed a program's run (coding.py), `not_rule_graded`, or `unknown:`
    and why the grader could not decide. `answer` is the extracted answer in canonical form, for voting; None never
    votes.
    """

    verdict: Verdict
    reason: str
    answer: str | None
    accuracy: float  # 1.0 if and only if the verdict is correct
    format: float
    language: float


GradeAll = Callable[[Sequence[Task], Sequence[str], Sequence[bool]], list[Grade]]
"""(tasks, responses, finished) -> grades."""


def grade(task: Task, response: str, *, finished: bool, template: Template = "tiny") -> Grade:
    """Grade a response, without its end token. `finished`: it ended by itself, not at the length limit. The template
    says where the answer stands and what is well formed.

    A truncated response is wrong, even if an answer already stands in it: what would have followed is
    not known. Tasks that rules can't grade (helpful, safety) get verdict unknown and accuracy 0.
    """
    transcript = split(response, template)
    verdict, reason, answer = _accuracy(task, response, finished=finished, template=template)
    return Grade(
        verdict=verdict,
        reason=reason,
        answer=answer,
        accuracy=float(verdict == "correct"),
        format=float(transcript.well_formed and finished),
        language=consistency(transcript.thought, task.language),
    )


def _accuracy(task: Task, response: str, *, finished: bool, template: Template) -> tuple[Verdict, str, str | None]:
    """Verdict, reason and canonical answer."""
    if task.kind != "reasoning":
        return "unknown", "not_rule_graded", None
    if not finished:
        return "wrong", "truncated", None
    if task.code:
        return _program(task, response, template)
    found = final_answer(response, template)
    if found.answer is None:
        return "wrong", found.reason, None
    if task.tests:
        result = run_tests(found.answer, task.tests)
        if result.program is None:
            return "wrong", "invalid_program", None
        return ("correct", "correct", result.program) if result.passed else ("wrong", "wrong", result.program)
    if not task.answer.strip():
        return "unknown", "unknown:unparsable_gold", None
    answer = read(found.answer).text or None
    if _OPERATORS.search(found.answer) and not _OPERATORS.search(task.answer):
        return "wrong", "unevaluated", answer
    judged = judge(task.answer, found.answer)
    if judged.status == "unknown":
        return "unknown", f"unknown:{judged.reason}", answer
    if judged and read(task.answer).kind == "number" and not evaluated(found.answer):
        return "wrong", "unevaluated", answer
    return judged.status, judged.status, answer


_EQUATION = re.compile(r"^\s*\$?\s*[A-Za-z]\w*\s*=")
_SCIENTIFIC = re.compile(r"(?:\\times|\\cdot|[*×·x])\s*10\s*\^\s*\{?\s*[-+]?[0-9]+\s*\}?")
_D = r"\{ *(?:d|\\mathrm *\{ *d *\}|\\partial)"
_OPERATORS = re.compile(
    rf"\\(?:sum|prod|i*o?int|lim)(?![A-Za-z])|[∑∏∫]|\\[dtc]?frac *{_D} *(?:\^ *\{{?[0-9]+\}}?)? *\}} *{_D} *[A-Za-z]"
)
_OPERATION = re.compile(r"[0-9)}\]]\s*(?:[-+*×·^]|\\times|\\cdot|\\div|÷|!)")


def evaluated(answer: str) -> bool:
    r"""Whether an answer is a value and no computation that is left to the reader.

    To a verifier 3*5+8 is 23, and a policy soon finds that the question itself is then a right answer. Fractions,
    percentages and powers of ten are values.

    >>> [evaluated(a) for a in ("23", "-2.5", r"\frac{1}{2}", r"1.2\times10^{-3}", "x = 5", "3*5+8", "2^{10}", "5!")]
    [True, True, True, True, True, False, False, False]
    """
    return _OPERATION.search(_SCIENTIFIC.sub("", _EQUATION.sub("", answer))) is None


def _program(task: Task, response: str, template: Template) -> tuple[Verdict, str, str | None]:
    """Verdict and reason of a program, which stands in the answer or behind the thought. Programs don't vote."""
    after = after_thought(response, template)
    if after is None:
        return "wrong", "bad_format", None
    wanted = json.loads(task.code)
    verdict = coding.grade(
        split(response, template).answer or after, wanted, str(wanted.get("language", "python")), fail_fast=True
    )
    if verdict.status == "unknown":
        return "unknown", f"unknown:{verdict.reason}", None
    return verdict.status, "correct" if verdict else verdict.reason, None


def gradable(answer: str) -> bool:
    """Whether a gold answer can be graded: it is there and earns the reward itself.

    >>> gradable("1,080"), gradable("left"), gradable("x+1"), gradable(" "), gradable("{5")
    (True, True, True, False, False)
    """
    return bool(answer.strip()) and judge(answer, answer).status == "correct"


def refused(response: str, phrases: Sequence[str], template: Template = "tiny") -> bool:
    """Whether the part that the user reads holds one of the refusal phrases; a thought about refusing is none.

    >>> refused("<think>could refuse</think><answer>I can't help with that</answer>", ["can't help"])
    True
    """
    transcript = split(response, template)
    read_by_user = transcript.answer or ("" if transcript.thought is not None else response)
    shown = read_by_user.casefold()
    return any(phrase.casefold() in shown for phrase in phrases)


def scorer(weights: Reward, judge_all: Judge | None = None, *, graded: GradeAll) -> Scorer:
    """Rules (`graded`, such as `Graders.grade_all`), weighed by the params; on general prompts the reward model's score,
    where there is a judge.

    Paper, stage 2: reasoning prompts earn the rules' reward, general ones the reward model's and the
    format's; language consistency is added to both.
    """

    def score_all(
        tasks: Sequence[Task], texts: Sequence[str], finished: Sequence[bool], lengths: Sequence[int], limit: int
    ) -> list[Score]:
        preferences = judge_all(tasks, texts) if judge_all else [None] * len(tasks)
        scores = []
        grades = graded(tasks, texts, finished)
        for g, length, preference in zip(grades, lengths, preferences, strict=True):
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
