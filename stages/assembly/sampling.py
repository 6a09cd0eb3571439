"""Answers of a model to tasks: sampled chunk by chunk, kept on the way, graded."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from stages.assembly.models import Model
from stages.assembly.samples import Samples
from stages.contract.engine import Ask, Completion, LooksAhead
from stages.contract.events import Reporter
from stages.contract.job import Paths
from stages.contract.params import Sampling
from stages.contract.phases import phases
from stages.contract.schemas import content_id
from stages.contract.task import Task
from stages.rewards.batch import Graders, Pending, processes_for
from stages.rewards.scorer import Grade

CHUNK = 256  # prompts a call of the engine; each call has its own seed
AHEAD = 4  # chunks that may be sampled while others are graded


def fitting(model: Model, tasks: Sequence[Task], *, max_new_tokens: int, report: Reporter) -> list[Task]:
    """The tasks whose prompt and answer fit into the model's positions; the user is told how many don't."""
    room = model.positions - max_new_tokens
    fit = [task for task in tasks if len(model.codec.prompt(task.prompt)) <= room]
    if len(fit) < len(tasks):
        report.note(f"{len(tasks) - len(fit)} of {len(tasks)} prompts are longer than {room} tokens and are left out")
    return fit


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
) -> Iterator[Draw]:
    """`draws` graded answers for each task, in the tasks' order: `sample_chunks` of all of them."""
    chunks = chunked(tasks)
    for _, some in sample_chunks(model, chunks, sampling, paths, report, draws=draws, seed=seed, name=name):
        yield from some


def chunked(tasks: Sequence[Task]) -> dict[int, Sequence[Task]]:
    """Tasks as chunks, each named by the place of its first one, from which its seed follows."""
    return {begin: tasks[begin : begin + CHUNK] for begin in range(0, len(tasks), CHUNK)}


def sample_chunks(
    model: Model,
    chunks: Mapping[int, Sequence[Task]],
    sampling: Sampling,
    paths: Paths,
    report: Reporter,
    *,
    draws: int,
    seed: int,
    name: str,
) -> Iterator[tuple[int, list[Draw]]]:
    """Chunks of tasks with `draws` graded answers for each, in the tasks' order. What a chunk's answers are doesn't depend
    on which others are asked for. What needs processes to be graded is graded there while the next answers are sampled.
    Answers are kept chunk by chunk, so that a stopped stage goes on; of all of them only some chunks are in memory at a
    time.

    `name` is shown, and tells what is kept from the stage's other samples.

    Raises:
        HelpedError: this process only helps another one, and nothing is left to sample.
    """
    total = sum(map(len, chunks.values()))
    report.phase(name, total=total)
    samples, processes = Samples(paths, name, report), model.processes
    ids = {begin: [task.id for task in chunk] for begin, chunk in chunks.items()}
    sample = _sampler(model, chunks, sampling, draws=draws, seed=seed)
    samples.share(ids, sample, ahead=isinstance(model.engine, LooksAhead))
    kept = processes.first(samples.found(ids, draws=draws) if processes.leads else {})
    then = dict(pairwise(begin for begin in chunks if begin not in kept))
    grading = _Grading(model, [task for chunk in chunks.values() for task in chunk])
    done = tokens = 0
    for begin, chunk in chunks.items():
        if begin in kept:
            groups = kept.pop(begin)()
        else:
            with samples.under_way():
                groups = sample(begin, then.get(begin))
                samples.put(begin, ids[begin], groups)
        grading.submit(begin, chunk, groups)
        done += len(chunk)
        tokens += sum(len(completion.tokens) for group in groups for completion in group)
        report.step(done, {"tokens": tokens})
        yield from grading.graded(waiting=AHEAD)
    yield from grading.graded(waiting=0)
    grading.close()


def _sampler(
    model: Model, chunks: Mapping[int, Sequence[Task]], sampling: Sampling, *, draws: int, seed: int
) -> Callable[[int, int | None], list[list[Completion]]]:
    """What samples a chunk, given which one will be sampled next."""

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

    return sample


class _Grading:
    """Chunks of answers that are being graded, in their order; of several processes the first grades for all."""

    def __init__(self, model: Model, tasks: Sequence[Task]) -> None:
        self._codec, self._processes = model.codec, model.processes
        self._graders = Graders(processes_for(tasks) if model.processes.leads else 0, template=model.codec.template)
        self._waiting: deque[tuple[int, list[Ungraded], Pending | None]] = deque()

    def submit(self, begin: int, chunk: Sequence[Task], groups: Sequence[Sequence[Completion]]) -> None:
        new = [
            (task, number, completion, self._codec.text(completion.tokens))
            for task, group in zip(chunk, groups, strict=True)
            for number, completion in enumerate(group)
        ]
        pending = None
        if self._processes.leads:
            pending = self._graders.submit([n[0] for n in new], [n[3] for n in new], [n[2].finished for n in new])
        self._waiting.append((begin, new, pending))

    def graded(self, *, waiting: int) -> Iterator[tuple[int, list[Draw]]]:
        """The first chunks with their grades, until only so many wait."""
        while len(self._waiting) > waiting:
            begin, new, pending = self._waiting.popleft()
            with phases("reward"):
                grades = self._processes.first(pending.result() if pending else [])
            yield (
                begin,
                [
                    Draw(task=task, number=number, completion=completion, text=text, grade=one)
                    for (task, number, completion, text), one in zip(new, grades, strict=True)
                ],
            )

    def close(self) -> None:
        self._graders.close()
