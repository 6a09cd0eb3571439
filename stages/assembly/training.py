"""The two kinds of training: GRPO and supervised fine-tuning, from a checkpoint and tables to a checkpoint and curves."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import polars as pl
import torch

from stages.assembly.held_out import held_out_guard
from stages.assembly.models import Model, digest, open_model
from stages.assembly.progress import progress
from stages.assembly.sampling import fitting, sampling_digest
from stages.contract.errors import UserError
from stages.contract.events import Reporter
from stages.contract.job import Paths
from stages.contract.ledger import Entry, Ledger
from stages.contract.params import RL, SFT, Params
from stages.contract.schemas import EXAMPLES, ROLLOUTS, TASKS
from stages.contract.tables import owner, read_table, write_table
from stages.contract.task import Task, tasks_of
from stages.contract.transcript import split
from stages.curate.mix import shuffle
from stages.evals.reflection import reflective_words
from stages.model.processes import Processes
from stages.model.sft import fine_tune
from stages.rewards.batch import Graders, processes_for
from stages.rewards.scorer import Grade, GradeAll, Judge, scorer
from stages.rl.loop import Parts, limit_at, train
from stages.rl.samples import Sample
from stages.rl.skew import Gate
from stages.tasks.traces import REFLECTIVE


def picker(tasks: Sequence[Task], per_step: int, *, seed: int) -> Callable[[int], list[Task]]:
    """The tasks of each step: epoch after epoch, each in an order of its own."""
    if not tasks:
        raise UserError("there are no tasks to train on", hint="r1 run prompts -f")
    orders: dict[int, list[int]] = {}

    def pick(step: int) -> list[Task]:
        chosen = []
        for position in range(step * per_step, (step + 1) * per_step):
            epoch, place = divmod(position, len(tasks))
            if epoch not in orders:
                generator = torch.Generator().manual_seed(seed * 104_729 + epoch)
                orders[epoch] = torch.randperm(len(tasks), generator=generator).tolist()
            chosen.append(tasks[orders[epoch][place]])
        return chosen

    return pick


def first_grades(grade_all: GradeAll, processes: Processes) -> GradeAll:
    """Grades as the first process finds them: a time limit may end elsewhere otherwise."""

    def shared(tasks: Sequence[Task], texts: Sequence[str], finished: Sequence[bool]) -> list[Grade]:
        return processes.first(grade_all(tasks, texts, finished) if processes.leads else [])

    return shared if processes.size > 1 else grade_all


def count_reflective(text: str) -> int:
    """Reflective words in a response's thought."""
    return reflective_words(text, extra=REFLECTIVE)


def reinforce(
    params: Params,
    settings: RL,
    paths: Paths,
    report: Reporter,
    *,
    start_from: str,
    judge: Callable[[Model], Judge] | None = None,
    pick: Callable[[int], list[Task]] | None = None,
    general: Sequence[Task] = (),
) -> None:
    """GRPO from a checkpoint; writes checkpoint/, rollouts.parquet, curves and metrics.

    `pick` chooses each step's tasks (default: the training pool's, epoch by epoch); `general` are held-out
    general prompts that validation also judges.
    """
    assert params.rollout is not None
    model = open_model(paths.data / start_from, params)
    pool = read_table(paths.data / "prompts" / "train.parquet", TASKS)
    validation = read_table(paths.data / "prompts" / "validation.parquet", TASKS)
    test = read_table(paths.data / "prompts" / "test.parquet", TASKS)  # for the guard only
    longest = max(stretch.max_new_tokens for stretch in settings.lengths)
    tasks = fitting(model, tasks_of(pool), max_new_tokens=longest, report=report)
    problems = fitting(model, tasks_of(validation), max_new_tokens=longest, report=report)[: settings.validate_problems]
    kept = Rollouts()
    ledger = Ledger(paths.out, weights=model.weights_digest, replay=paths.replay)
    rows_of = partial(_rollout_rows, settings=settings, seed=params.seed, start=digest(model.folder))

    def used(step: int, samples: Sequence[Sample]) -> None:
        ledger.record(step, ledger_entries(rows_of(step, samples), samples, updates_before(step, settings)))

    processes = model.processes
    graders = Graders(processes_for([*tasks, *problems]) if processes.leads else 0, template=model.codec.template)
    parts = Parts(
        policy=model.policy,
        engine=model.engine,
        codec=model.codec,
        score=scorer(
            settings.reward,
            judge(model) if judge else None,
            graded=first_grades(graders.grade_all, processes),
        ),
        pick=pick or picker(tasks, settings.prompts_per_step, seed=params.seed),
        forbidden=held_out_guard(validation, test),
        reflective=count_reflective,
        validate=lambda draw: _validation_figures(draw([*problems, *general])),
        keep=lambda step, samples: kept.rows.extend(rows_of(step, samples)),
        used=used,
        begin=graders.ahead if graders.size and processes.leads else None,
        gate=Gate(params.rollout.skew, templates=model.codec.other_templates()),
    )
    optimisation = model.policy.optimisation(settings)
    curve, validated = train(
        parts,
        settings,
        seed=params.seed,
        optimisation=optimisation,
        report=report,
        progress=progress(paths, "grpo", report, kept, ledger, processes=processes),
    )
    graders.close()
    ledger.write()
    model.save(paths.out / "checkpoint")
    kept.save(paths.out)
    paths.write_curve("curve", curve)
    paths.write_curve("validation", validated)
    paths.write_metrics(_headline(curve, validated[-1]))


def _headline(curve: Sequence[Mapping[str, float]], last: Mapping[str, float]) -> dict[str, float | None]:
    """A training's metrics: its last validation, and means over its last steps."""
    recent = curve[-10:]
    return {
        "validation_accuracy": last["accuracy"],
        "validation_format": last["format"],
        "validation_language": last["language"],
        "validation_length": last["length"],
        "reward": _mean(row["reward"] for row in recent),
        "entropy": _mean(row["entropy"] for row in recent),
        "unknown": _mean(row["unknown"] for row in recent),
        "preference": last.get("preference"),
    }


class Rollouts:
    """The rows of rollouts.parquet, gathered in training."""

    def __init__(self) -> None:
        self.rows: list[dict[str, object]] = []

    def save(self, folder: Path) -> None:
        write_table(pl.DataFrame(self.rows, schema=ROLLOUTS.schema), folder / "rollouts.parquet", ROLLOUTS)

    def restore(self, folder: Path) -> None:
        self.rows = read_table(folder / "rollouts.parquet", ROLLOUTS).to_dicts()


def _validation_figures(samples: Sequence[Sample]) -> dict[str, float]:
    ruled = [s for s in samples if s.task.kind == "reasoning"]
    judged = [s.earned.preference for s in samples if s.earned.preference is not None]
    thinking = any(split(s.text).thought for s in ruled)
    figures = {
        "accuracy": _mean(s.earned.accuracy for s in ruled),
        "format": _mean(s.earned.format for s in ruled),
        # An answer without a thought mixes no languages; it would only flatter the mean.
        "language": _mean(s.earned.language for s in ruled if split(s.text).thought) if thinking else 1.0,
        "length": _mean(len(s.tokens) for s in ruled),
        "reflective": _mean(count_reflective(s.text) for s in ruled),
    }
    for family in sorted({s.task.family for s in ruled}):
        figures[f"accuracy_{family}"] = _mean(s.earned.accuracy for s in ruled if s.task.family == family)
    if judged:
        figures["preference"] = _mean(judged)
    return figures


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / max(1, len(listed))


def updates_before(step: int, settings: RL) -> int:
    """Policy updates before a step's rollout was sampled."""
    return step - 1 - (step - 1) % settings.steps_per_rollout


def ledger_entries(rows: Sequence[dict[str, object]], samples: Sequence[Sample], policy: int) -> list[Entry]:
    """What the ledger says of a step's samples: the columns of SAMPLES."""
    return [
        (str(row["r1_id"]), s.task.id, policy, *parts, s.earned.reward, s.advantage, s.masked)
        for row, s in zip(rows, samples, strict=True)
        for parts in [(s.earned.accuracy, s.earned.format, s.earned.language, s.earned.preference, s.earned.overlong)]
    ]


def _rollout_rows(step: int, samples: Sequence[Sample], settings: RL, seed: int, start: str) -> list[dict[str, object]]:
    """A step's samples as rows of ROLLOUTS. `start` is the digest of the checkpoint that training began from."""
    begun = updates_before(step, settings)
    sampling = sampling_digest(settings.temperature, settings.top_p, limit_at(settings, begun))
    rows = []
    for sample in samples:
        row: dict[str, object] = {
            "r1_parents": [sample.task.id],
            "r1_op": "generate",
            # The weights of a policy on the way are not kept: it is named by its start and its number of updates.
            "r1_gen": {"checkpoint": f"{start}+{begun}", "sampling": sampling, "seed": seed, "draw": sample.draw},
            "step": step,
            "task_id": sample.task.id,
            "kind": sample.task.kind,
            "family": sample.task.family,
            "language": sample.task.language,
            "prompt": sample.task.prompt,
            "completion": sample.text,
            "num_tokens": len(sample.tokens),
            "finish": "stop" if sample.finished else "length",
            "verdict": sample.earned.verdict,
            "reason": sample.earned.reason,
            "accuracy": sample.earned.accuracy,
            "format": sample.earned.format,
            "language_consistency": sample.earned.language,
            "preference": sample.earned.preference,
            "reward": sample.earned.reward,
            "advantage": sample.advantage,
            "masked": sample.masked,
        }
        rows.append({"r1_id": ROLLOUTS.row_id(row), **row})
    return rows


def tune(
    params: Params,
    settings: SFT,
    paths: Paths,
    report: Reporter,
    *,
    start_from: str,
    examples: str,
    shuffled: bool = False,
) -> None:
    """SFT of a checkpoint on a table of examples; writes checkpoint/, a curve and metrics. With `shuffled` the table's
    rows are first put into an order that the seed decides: it is stored in the order in which the rows were made."""
    model = open_model(paths.data / start_from, params)
    frame = read_table(paths.data / examples, EXAMPLES)
    if frame.is_empty():
        raise UserError(
            f"data/{examples} has no rows: the sampling model answered nothing well enough",
            hint=f"r1 run {owner(paths.data / examples)} -f",
        )
    places = frame.select("r1_id").with_row_index("place")
    order = (shuffle(places, seed=params.seed) if shuffled else places)["place"].to_list()
    prompts = [model.codec.prompt(text) for text in frame["prompt"].gather(order)]
    responses = [model.codec.response(text) for text in frame["response"].gather(order)]
    ledger = Ledger(
        paths.out,
        weights=model.weights_digest,
        table=f"data/{examples}",
        ids=frame["r1_id"].to_list(),
        replay=paths.replay,
    )
    curve = fine_tune(
        model.policy,
        prompts,
        responses,
        settings,
        seed=params.seed,
        report=report,
        progress=progress(paths, "sft", report, ledger, processes=model.processes),
        used=lambda step, batch: ledger.rows(step, [order[row] for row in batch]),
    )
    ledger.write()
    model.save(paths.out / "checkpoint")
    paths.write_curve("curve", curve)
    recent = curve[-20:]
    paths.write_metrics(
        {
            "rows": len(frame),
            "steps": len(curve),
            "loss": _mean(r["loss"] for r in recent),
            "tokens": sum(map(len, responses)) * settings.epochs,
        }
    )
