"""Somebody's records as rows: tasks, their worked solutions, traces."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from stages.contract.schemas import DOCUMENTS, TASKS, TRACES, content_id
from stages.curate.words import normalise
from stages.ingest.shapes import Parts, Response, clean
from stages.rewards.extraction import final_answer
from stages.rewards.language import dominant
from stages.rewards.maths import read

_CALCULATOR = re.compile(r"<<[^<>]*>>")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where an import's rows are from. `license` is of rows that state none."""

    name: str
    label: str
    revision: str
    license: str

    def of(self, row: Parts) -> dict[str, str]:
        """A row's columns source, revision and license."""
        return {
            "source": f"{self.label}#{row.origin}" if row.origin else self.label,
            "revision": self.revision,
            "license": row.license or self.license,
        }


def task_row(row: Parts, origin: Origin) -> dict[str, object]:
    """A row of the task pool; prompt or answer are empty where the record has none."""
    task: dict[str, object] = {
        "r1_parents": [],
        "r1_op": "ingest",
        "kind": "reasoning",
        "family": origin.name,
        "difficulty": row.level,
        "language": dominant(row.prompt),
        "prompt": row.prompt,
        "answer": _program(row) if row.tests else gold_answer(row),
        "tests": row.tests,
        "states": [content_id("prompt", [normalise(row.prompt)])],
        **origin.of(row),
    }
    return {"r1_id": TASKS.row_id(task), **task}


def solutions(row: Parts, task_id: str, task: Mapping[str, object]) -> list[dict[str, object]]:
    """The worked solutions of a task as documents, its children: what its gold answer was read from, if that is more."""
    rows = []
    for value, _ in row.golds or ():
        text = clean(_CALCULATOR.sub("", value))
        if text and text != task["answer"]:
            found: dict[str, object] = {
                "r1_parents": [task_id],
                "r1_op": "ingest",
                "form": "solution",
                "text": text,
                **{name: task[name] for name in ("family", "source", "revision", "license")},
            }
            rows.append({"r1_id": DOCUMENTS.row_id(found), **found})
    return rows


def trace_row(task: Mapping[str, object], task_id: str, row: Parts, response: Response) -> dict[str, object]:
    """A response to a task as a row of traces."""
    shared = ("kind", "family", "language", "prompt", "answer", "source", "revision", "license")
    states = task["states"]
    assert isinstance(states, list)
    trace: dict[str, object] = {
        "r1_parents": [],
        "r1_op": "ingest",
        "task_id": task_id or states[0],
        **{name: task[name] for name in shared},
        "response": clean(response.text),
        "verdict": response.verdict,
        "reason": response.reason,
        "num_tokens": row.num_tokens,
    }
    return {"r1_id": TRACES.row_id(trace), **{name: trace[name] for name in TRACES.columns if name != "r1_id"}}


def _program(row: Parts) -> str:
    """A code task's reference program, if it has one."""
    return row.golds[0][0] if row.golds else ""


def gold_answer(row: Parts) -> str:
    """The final answer of a record: what follows `####`, what the last box holds, or the whole bare answer.

    A worked solution counts by its mark alone, for without one it is a text. Integers are written plainly, without
    separators, leading zeros or `$`; everything else stays as it is.
    """
    for value, by_mark in () if row.no_gold else row.golds or ():
        if "####" in value or "\\boxed" in value:
            value = final_answer(value).answer or ""
        elif by_mark:
            value = ""
        answer = clean(_CALCULATOR.sub("", value))
        if answer:
            number = read(answer)
            plain = number.number is not None and number.number.denominator == 1 and not (number.unit or number.percent)
            return number.text if plain else answer
    return ""
