"""A task: one row of the task pool, as the rooms see it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

Kind = Literal["reasoning", "helpful", "safety"]


@dataclass(frozen=True, kw_only=True)
class Task:
    """A question with what grades its answer. For the embedded world's programs `tests` are (input, output) pairs; for
    real ones `code` is a code task (stages/rewards/code_task.py) as JSON."""

    id: str
    kind: str
    family: str
    difficulty: int
    language: str
    prompt: str
    answer: str
    tests: tuple[tuple[int, int], ...] = ()
    code: str = ""


def tasks_of(frame: pl.DataFrame) -> list[Task]:
    """The tasks of a table of the schema TASKS, in its order."""
    return [_task(row) for row in frame.iter_rows(named=True)]


def _task(row: Mapping[str, str]) -> Task:
    tests = json.loads(row["tests"]) if row["tests"] else []
    code = row["tests"] if isinstance(tests, dict) else ""
    return Task(
        id=row["r1_id"],
        kind=row["kind"],
        family=row["family"],
        difficulty=int(row["difficulty"]),
        language=row["language"],
        prompt=row["prompt"],
        answer=row["answer"],
        tests=() if code else tuple((int(x), int(y)) for x, y in tests),
        code=code,
    )


@dataclass(frozen=True, kw_only=True)
class Score:
    """What a response earned, in its parts. `preference` is None where no reward model judged it."""

    verdict: str  # correct | wrong | unknown
    reason: str
    accuracy: float
    format: float
    language: float
    preference: float | None
    overlong: float  # 0 to 1: how far into the last fifth of the allowed length
    reward: float

    def parts(self) -> dict[str, float]:
        """The parts by the names of their weights, each so that more is better."""
        return {
            "accuracy": self.accuracy,
            "format": self.format,
            "language": self.language,
            "preference": self.preference or 0.0,
            "overlong": -self.overlong,
        }


Scorer = Callable[[Sequence[Task], Sequence[str], Sequence[bool], Sequence[int], int], list[Score]]
"""(tasks, texts, finished, token counts, token limit) -> scores."""
