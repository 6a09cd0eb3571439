"""Lint the reward before any GPU hour (`r1 reward check`): every gold answer must earn 1, every altered one 0; and, for
an RL stage, a few groups of its starting model's answers must show something to learn from.

Reads: the tables that the arguments name, data/imports/NAME/tasks.parquet, or all of data/prompts/*.parquet; for a stage
data/prompts/train.parquet and the checkpoint that it starts from. Writes: check.json.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import polars as pl

from stages.assembly.models import open_model
from stages.assembly.sampling import fitting, sample_tasks
from stages.contract.errors import UserError
from stages.contract.events import Reporter
from stages.contract.job import Paths, start_tool
from stages.contract.params import RL, Params, Sampling, parse
from stages.contract.schemas import TASKS
from stages.contract.tables import read_table
from stages.contract.task import Task, tasks_of
from stages.evals.fitness import Answer, Fitness, fitness, unfit
from stages.rewards.altered import altered
from stages.rewards.scorer import Grade, grade, scorer

NAMED = 5  # rows named in an error; check.json holds all


def main(arguments: Mapping[str, str], paths: Paths, report: Reporter) -> None:
    """Arguments: `data` (an import's name) or `tables` (a file); `stage` with `checkpoint` (below data/), `problems` and
    `params` (all of params.yaml, as JSON)."""
    if arguments.get("stage"):
        check_stage(arguments, paths, report)
    else:
        tables = arguments.get("tables")
        check_golds([Path(tables)] if tables else find(arguments.get("data", ""), paths.data), paths, report)


def check_stage(arguments: Mapping[str, str], paths: Paths, report: Reporter) -> None:
    """Sample groups as the stage's first step would, and judge whether they can teach."""
    name = arguments["stage"]
    params = parse(json.loads(arguments["params"]))
    settings = getattr(params, name.partition("@")[0])
    if not isinstance(settings, RL):
        raise UserError(f"{name} is no RL stage: it earns no reward", hint="r1 reward check --on zero")
    limit = settings.lengths[0].max_new_tokens
    groups = sampled_groups(
        params, settings, arguments["checkpoint"], paths, report, problems=int(arguments["problems"]), limit=limit
    )
    found = fitness(groups)
    (paths.out / "check.json").write_text(json.dumps(asdict(found), indent=1) + "\n")
    paths.write_metrics(_headline(found))
    if why := unfit(found, stage=name.partition("@")[0], limit=limit):
        raise UserError(f"the reward of {name} is not fit for training: {why[0]}", hint=why[1])


def sampled_groups(
    params: Params, settings: RL, checkpoint: str, paths: Paths, report: Reporter, *, problems: int, limit: int
) -> list[list[Answer]]:
    """One group of answers for each of the first training problems, scored with the stage's own weights."""
    model = open_model(paths.data / checkpoint, params)
    pool = tasks_of(read_table(paths.data / "prompts" / "train.parquet", TASKS))
    tasks = fitting(model, pool, max_new_tokens=limit, report=report)[:problems]
    if not tasks:
        raise UserError("there are no training problems to sample on", hint="r1 run prompts -f")
    size = settings.group_size
    sampling = Sampling(draws=size, temperature=settings.temperature, top_p=settings.top_p, max_new_tokens=limit)
    drawn = list(
        sample_tasks(model, tasks, sampling, paths, report, draws=size, seed=params.seed, name=f"sampling {checkpoint}")
    )
    scores = scorer(settings.reward, graded=lambda tasks, texts, finished: [d.grade for d in drawn])(
        [d.task for d in drawn],
        [d.text for d in drawn],
        [d.completion.finished for d in drawn],
        [len(d.completion.tokens) for d in drawn],
        limit,
    )
    answers = [
        Answer(
            reward=s.reward,
            correct=s.verdict == "correct",
            well_formed=bool(s.format),
            unknown=s.verdict == "unknown",
            finished=d.completion.finished,
            length=len(d.completion.tokens),
        )
        for d, s in zip(drawn, scores, strict=True)
    ]
    return [answers[i : i + size] for i in range(0, len(answers), size)]


def _headline(found: Fitness) -> dict[str, float | int | None]:
    figures = {k: v for k, v in asdict(found).items() if k != "histogram"}
    solved = {f"solved_in_{name}_of_the_tries": count for name, count in found.histogram.items()}
    return {**figures, **solved}


def check_golds(files: list[Path], paths: Paths, report: Reporter) -> None:
    tasks = [task for path in files for task in tasks_of(read_table(path, TASKS))]
    graded = [task for task in tasks if task.kind == "reasoning"]
    if not graded:
        raise UserError("there are no rule-graded tasks to check", hint="r1 data import FILE --name NAME")
    report.phase("golds", total=len(graded))

    failed: list[dict[str, str]] = []
    rewarded: list[dict[str, str]] = []
    num_altered = 0
    for done, task in enumerate(graded, start=1):
        if task.answer or not task.code:  # a code task may come without a reference program
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

    found = {"gold_failed": failed, "altered_rewarded": rewarded}
    (paths.out / "check.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    paths.write_metrics(
        {
            "tasks": len(graded),
            "not_rule_graded": len(tasks) - len(graded),
            "gold_reward": 1 - len(failed) / len(graded),
            "gold_failed": len(failed),
            "altered": num_altered,
            "altered_rewarded": len(rewarded),
        }
    )
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


if __name__ == "__main__":
    start_tool(main)
