"""Lint the reward before any GPU hour (`r1 reward check`): every gold answer must earn 1, every altered one 0.

Reads: data/imports/NAME/tasks.parquet, or all of data/prompts/*.parquet. Writes: check.json.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from stages.contract.errors import UserError
from stages.contract.events import Reporter
from stages.contract.job import Paths, start_tool
from stages.contract.schemas import TASKS
from stages.contract.tables import read_table
from stages.contract.task import Task, tasks_of
from stages.rewards.maths import read
from stages.rewards.scorer import Grade, gold_problem, grade

NAMED = 5  # rows named in an error; check.json holds all
_DIGITS = re.compile(r"[0-9]+")


def main(arguments: Mapping[str, str], paths: Paths, report: Reporter) -> None:
    files = find(arguments.get("data", ""), paths.data)
    tasks = [task for path in files for task in tasks_of(read_table(path, TASKS))]
    graded = [task for task in tasks if task.kind == "reasoning"]
    if not graded:
        raise UserError("there are no rule-graded tasks to check", hint="r1 data import FILE --name NAME")
    report.phase("golds", total=len(graded))

    failed: list[dict[str, str]] = []
    rewarded: list[dict[str, str]] = []
    num_altered = 0
    for done, task in enumerate(graded, start=1):
        gold = grade_answer(task, task.answer)
        if gold.accuracy != 1.0:
            failed.append({"id": task.id, "answer": task.answer, "reason": gold.reason})
        for how, answer in altered(task):
            num_altered += 1
            if grade_answer(task, answer).accuracy != 0.0:
                rewarded.append({"id": task.id, "answer": task.answer, "altered": answer, "how": how})
        if done % 1000 == 0:
            report.step(done)
    report.step(len(graded))

    text_only = [task.id for task in graded if not task.tests and gold_problem(task.answer) == "needs_algebra"]
    found = {"gold_failed": failed, "altered_rewarded": rewarded, "text_only": text_only}
    (paths.out / "check.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    paths.write_metrics(
        {
            "tasks": len(graded),
            "not_rule_graded": len(tasks) - len(graded),
            "gold_reward": 1 - len(failed) / len(graded),
            "gold_failed": len(failed),
            "altered": num_altered,
            "altered_rewarded": len(rewarded),
            "text_only_golds": len(text_only),
        }
    )
    if text_only:
        report.note(f"{len(text_only)} gold answers can only be compared as text: {', '.join(text_only[:NAMED])}")
    if failed:
        rows = "; ".join(f"{row['id']} ({row['answer']!r}: {row['reason']})" for row in failed[:NAMED])
        raise UserError(
            f"{len(failed)} of {len(graded)} gold answers earn no reward: {rows}",
            hint="mend or drop these rows, then import again",
        )
    if rewarded:
        rows = "; ".join(f"{row['id']} ({row['altered']!r} for {row['answer']!r})" for row in rewarded[:NAMED])
        raise UserError(
            f"{len(rewarded)} wrong answers are rewarded: {rows}",
            hint="see out/check.json; the grader or the rows are at fault",
        )


def find(name: str, data: Path) -> list[Path]:
    """The task tables to check: those of an import, or of the task pool.

    Raises:
        UserError: there are none.
    """
    if name:
        path = data / "imports" / name / "tasks.parquet"
        if not path.exists():
            have = sorted(found.parent.name for found in (data / "imports").glob("*/tasks.parquet"))
            raise UserError(
                f"no import is named {name!r} (there are: {', '.join(have) or 'none'})",
                hint=f"r1 data import FILE --name {name}",
            )
        return [path]
    found = [path for path in sorted((data / "prompts").glob("*.parquet")) if _may_be_tasks(path)]
    if not found:
        raise UserError("data/prompts holds no task tables", hint="r1 run prompts")
    return found


def _may_be_tasks(path: Path) -> bool:
    """Whether a table has the columns of tasks; the folder also holds sidecars and documents."""
    try:
        return set(pl.read_parquet_schema(path)) == set(TASKS.columns)
    except (pl.exceptions.PolarsError, OSError):
        return True  # unreadable: reading it as tasks says so


def grade_answer(task: Task, answer: str) -> Grade:
    """The grade of a well-formed response with this answer."""
    return grade(task, f"<think></think><answer>{answer}</answer>", finished=True)


def altered(task: Task) -> Iterator[tuple[str, str]]:
    """Answers that are near the gold and wrong, with what was done to it."""
    gold = task.answer
    if task.tests:
        yield "plus one", f"({gold})+1"
        yield "sign", f"-({gold})-1"
        yield "no program", f"return {gold}"
        return
    digits = list(_DIGITS.finditer(gold))
    if digits:
        start, end = digits[-1].span()
        last = gold[end - 1]
        yield "digit", f"{gold[: end - 1]}{(int(last) + 1) % 10}{gold[end:]}"
        # A zero could vanish at the end of a decimal.
        yield "appended digit", f"{gold[:end]}7{gold[end:]}"
        if read(gold).number != 0:
            yield "sign", gold[1:] if gold.startswith("-") else f"-{gold}"
    else:
        yield "appended letter", f"{gold}q"
    yield "empty", ""


if __name__ == "__main__":
    start_tool(main)
