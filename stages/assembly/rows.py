"""Sampled answers as rows: drawn from a model, graded, curated."""

from collections import deque
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from hashlib import sha256
from itertools import islice, pairwise
from pathlib import Path

import polars as pl

from stages.assembly.models import Model, digest, open_model
from stages.assembly.progress import Samples
from stages.contract.engine import Ask, Completion, LooksAhead
from stages.contract.events import Reporter
from stages.contract.job import Paths
from stages.contract.params import Checkpoints, ColdStart, Deadlines, Params, Rejection, Sampling
from stages.contract.phases import phases
from stages.contract.schemas import DOCUMENTS, EXAMPLES, TASKS, content_id
from stages.contract.tables import read_table
from stages.contract.task import Task, tasks_of
from stages.contract.transcript import Template
from stages.curate.decontaminate import benchmarks
from stages.curate.recipe import GRADED
from stages.curate.shards import Store
from stages.rewards.batch import Graders, Pending, processes_for
from stages.rewards.scorer import Grade, grade
from stages.tasks.corpus import SOURCE
from stages.tasks.problems import states_in

CHUNK = 256  # prompts a call of the engine; each call has its own seed
AHEAD = 4  # chunks that may be sampled while others are graded


def fitting(model: Model, tasks: Sequence[Task], *, max_new_tokens: int, report: Reporter) -> list[Task]:
    """The tasks whose prompt and answer fit into the model's positions; the user is told how many don't."""
    room = model.positions - max_new_tokens
    fit = [task for task in tasks if len(model.codec.prompt(task.prompt)) <= room]
    if len(fit) < len(tasks):
        report.note(f"{len(tasks) - len(fit)} of {len(tasks)} prompts are longer than {room} tokens and are left out")
    return fit


def held_out_guard(*frames: pl.DataFrame) -> Callable[[str], bool]:
    """Whether a text works on a held-out problem. Such a text must not be trained on."""
    problems = frozenset(states[0] for frame in frames for states in frame["states"].to_list())
    return lambda text: not problems.isdisjoint(states_in(text))


def sampling_digest(temperature: float, top_p: float, max_new_tokens: int) -> str:
    return content_id("sampling", [temperature, top_p, max_new_tokens])


@dataclass(frozen=True, kw_only=True)
class Draw:
    """One sampled answer to a task, with its text."""

    task: Task
    number: int
    completion: Completion
    text: str
    grade: Grade


Ungraded = tuple[Task, int, Completion, str]


def generated(draw: Draw, sampling: Sampling, *, checkpoint: str, seed: int) -> dict[str, object]:
    """What made a sampled answer: the column `r1_gen`."""
    settings = sampling_digest(sampling.temperature, sampling.top_p, sampling.max_new_tokens)
    return {"checkpoint": checkpoint, "sampling": settings, "seed": seed, "draw": draw.number}


def sample_tasks(
    model: Model,
    tasks: Sequence[Task],
    sampling: Sampling,
    paths: Paths,
    report: Reporter,
    *,
    draws: int,
    seed: int,
    name: str,
    without: Container[int] = (),
) -> Iterator[Draw]:
    """`draws` answers for each task, in the tasks' order, graded. What needs processes to be graded is graded there
    while the next answers are sampled. Answers are kept chunk by chunk, so that a stopped stage goes on; of all of them
    only some chunks are in memory at a time.

    `name` is shown, and tells what is kept from the stage's other samples. Chunks `without` (the places of their first
    tasks) are left out; what answers the others get doesn't depend on it.
    """
    report.phase(name, total=len(tasks))
    samples = Samples(paths, name, report)
    chunks = {begin: tasks[begin : begin + CHUNK] for begin in range(0, len(tasks), CHUNK) if begin not in without}
    ids = {begin: [task.id for task in chunk] for begin, chunk in chunks.items()}
    processes = model.processes

    @lru_cache(maxsize=2)  # a chunk is asked for twice: ahead, and when it is waited for
    def asked(begin: int) -> Ask:
        return Ask(
            prompts=tuple(tuple(model.codec.prompt(task.prompt)) for task in chunks[begin]),
            draws=draws,
            max_new_tokens=sampling.max_new_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=seed * 1_000_003 + begin,
            logps=False,
        )

    def sample(begin: int, then: int | None) -> list[list[Completion]]:
        with phases("generate"):
            if isinstance(model.engine, LooksAhead) and then is not None:
                model.engine.ahead(asked(begin))
                model.engine.ahead(asked(then))
            return model.engine.generate(**vars(asked(begin)))

    def graded(new: Sequence[Ungraded], pending: Pending | None) -> list[Draw]:
        with phases("reward"):
            grades = processes.first(pending.result() if pending else [])
        return [
            Draw(task=task, number=number, completion=completion, text=text, grade=one)
            for (task, number, completion, text), one in zip(new, grades, strict=True)
        ]

    samples.share(ids, sample, ahead=isinstance(model.engine, LooksAhead))
    kept = processes.first(samples.found(ids, draws=draws) if processes.leads else {})
    waiting: deque[tuple[list[Ungraded], Pending | None]] = deque()
    graders = Graders(processes_for(tasks) if processes.leads else 0, template=model.codec.template)
    missing = [begin for begin in ids if begin not in kept]
    then = dict(pairwise(missing))
    tokens = 0
    for begin in ids:
        if begin in kept:
            groups = kept.pop(begin)()
        else:
            with samples.under_way():
                groups = sample(begin, then.get(begin))
                samples.put(begin, ids[begin], groups)
        new = [
            (task, number, completion, model.codec.text(completion.tokens))
            for task, group in zip(chunks[begin], groups, strict=True)
            for number, completion in enumerate(group)
        ]
        pending = None
        if processes.leads:
            pending = graders.submit([n[0] for n in new], [n[3] for n in new], [n[2].finished for n in new])
        waiting.append((new, pending))
        tokens += sum(len(n[2].tokens) for n in new)
        report.step(begin + len(ids[begin]), {"tokens": tokens})
        if len(waiting) > AHEAD:
            yield from graded(*waiting.popleft())
    while waiting:
        yield from graded(*waiting.popleft())
    graders.close()


def example_rows(
    draws: Sequence[Draw],
    texts: Sequence[str],
    sampling: Sampling,
    *,
    checkpoint: str,
    seed: int,
    op: str,
    template: Template,
    held_out: Callable[[str], bool],
) -> pl.DataFrame:
    """Sampled answers (or what a refiner made of them, `texts`) as rows of EXAMPLES with the columns GRADED, which
    curation reads."""
    rows = []
    for draw, text in zip(draws, texts, strict=True):
        refined = text != draw.text
        grades = grade(draw.task, text, finished=draw.completion.finished, template=template) if refined else draw.grade
        row: dict[str, object] = {
            "r1_parents": [draw.task.id],
            "r1_op": op if refined else "generate",
            "r1_gen": generated(draw, sampling, checkpoint=checkpoint, seed=seed),
            "task_id": draw.task.id,
            "kind": draw.task.kind,
            "family": draw.task.family,
            "language": draw.task.language,
            "prompt": draw.task.prompt,
            "response": text,
            "num_tokens": len(draw.completion.tokens),
            "source": "r1/sampled",
            "verdict": grades.verdict,
            "language_consistency": grades.language,
            "held_out": held_out(text),
            "license": "",
        }
        rows.append({"r1_id": EXAMPLES.row_id(row), **row})
    return pl.DataFrame(rows, schema={**EXAMPLES.columns, **GRADED})


def sampled_rows(
    params: Params,
    settings: ColdStart | Rejection,
    paths: Paths,
    report: Reporter,
    store: Store,
    *,
    checkpoint: str,
    refine: Callable[[str, str], str] | None = None,
) -> list[Path]:
    """Answers of a checkpoint to the first training problems, refined where a refiner (response, language) is given,
    and graded: files of rows for curation. What an earlier run wrote of the same problems, checkpoint and settings is
    taken as it is: other filters, caps, mixes, imports or more problems don't sample it again.
    """
    model = open_model(paths.data / checkpoint, params)
    train = read_table(paths.data / "prompts" / "train.parquet", TASKS)
    sampling = settings.sampling
    tasks = fitting(model, tasks_of(train), max_new_tokens=sampling.max_new_tokens, report=report)[: settings.prompts]
    made_by, held_out = digest(model.folder), held_out_tasks(paths)
    of = [paths.code(), made_by, *_described(params, settings), *_small_files(model.folder), *held_out["r1_id"]]
    files = {}
    for begin in range(0, len(tasks), CHUNK):
        problems = [asdict(task) for task in tasks[begin : begin + CHUNK]]
        files[begin] = store.rows(f"sampled-{content_id('sampled', [*of, begin, problems])}.parquet")
    there = model.processes.first({begin for begin, path in files.items() if path.exists()})
    if there:
        report.note(
            f"{sum(len(tasks[begin : begin + CHUNK]) for begin in there)} of {len(tasks)} prompts were answered before"
        )
    drawn = sample_tasks(
        model,
        tasks,
        sampling,
        paths,
        report,
        draws=sampling.draws,
        seed=params.seed,
        name=f"sampling {checkpoint}",
        without=there,
    )
    guard = held_out_guard(held_out)
    for begin, path in files.items():
        if begin in there:
            continue
        some = list(islice(drawn, len(tasks[begin : begin + CHUNK]) * sampling.draws))
        rows = example_rows(
            some,
            [refine(draw.text, draw.task.language) if refine else draw.text for draw in some],
            sampling,
            checkpoint=made_by,
            seed=params.seed,
            op="refine" if refine else "generate",
            template=model.codec.template,
            held_out=guard,
        )
        store.write(path.name, rows)
    next(
        drawn, None
    )  # to its end, also where all was there: graders stop, and who only helps hears that nothing is left
    return list(files.values())


def _described(params: Params, settings: ColdStart | Rejection) -> list[object]:
    """All params that answers depend on: not what is kept of them, nor when a stage commits."""
    rest = replace(params, cold_start=None, rejection=None, checkpoints=Checkpoints(), deadlines=Deadlines())
    return [asdict(rest), asdict(settings.sampling)]


def _small_files(checkpoint: Path) -> list[str]:
    """What lies beside the weights: shape, tokeniser, template."""
    return [sha256(path.read_bytes()).hexdigest() for path in sorted(checkpoint.glob("*.json"))]


def held_out_tasks(paths: Paths) -> pl.DataFrame:
    """The problems that no training row may hold."""
    names = ("validation", "test")
    return pl.concat([read_table(paths.data / "prompts" / f"{name}.parquet", TASKS) for name in names])


def held_out_problems(paths: Paths) -> pl.DataFrame:
    """The problems that curation looks for in rows' texts: everybody's but the embedded world's, whose states tell them."""
    tasks = held_out_tasks(paths).filter(pl.col("source") != SOURCE["source"])
    return benchmarks(tasks, read_table(paths.data / "prompts" / "held_out.parquet", DOCUMENTS))
