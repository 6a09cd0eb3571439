"""From sampled and imported rows to a curated set: each source with its recipe, all of them through one stream."""

import fcntl
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import polars as pl

from stages.assembly.general import graded_general
from stages.contract.errors import UserError
from stages.contract.events import Reporter
from stages.contract.job import Paths
from stages.contract.params import Curation, Rejection
from stages.contract.schemas import EXAMPLES, GENERAL, TRACES, Table, content_id
from stages.contract.store import in_use
from stages.contract.tables import read_table
from stages.contract.task import Task
from stages.contract.transcript import Template, split
from stages.curate.decide import Wanted
from stages.curate.outcome import funnel as steps
from stages.curate.recipe import GRADED, Recipe
from stages.curate.shards import Source, Store, plan
from stages.curate.stream import Funnel, curate
from stages.rewards.language import consistency
from stages.rewards.scorer import grade

MIN_WORDS = 3  # of an imported response
ROWS = {**EXAMPLES.columns, **GRADED}


@dataclass(frozen=True, kw_only=True)
class Part:
    """A source: what writes its rows (EXAMPLES and GRADED) to files of a store, and what they must be."""

    name: str
    files: Callable[[Store], list[Path]]
    recipe: Recipe


def curated(
    parts: Sequence[Part],
    settings: Curation,
    held_out: pl.DataFrame,
    paths: Paths,
    report: Reporter,
    *,
    template: Template,
    workers: int,
) -> Funnel:
    """Curate the parts and the imports that the settings name, and write examples.parquet, its sidecar and the funnel.
    `held_out` are `held_out_problems`; those of the embedded world are guarded by their states (GRADED's `held_out`)."""
    reasoning = next(part.recipe for part in parts if part.recipe.verified)
    with _store(paths) as store:
        sources = [Source(name=part.name, files=part.files(store), recipe=part.recipe) for part in parts]
        for name in settings.imports:
            sources += _imported(store, name, paths, template, reasoning, settings)
        found = plan(sources, held_out, ngram=settings.ngram, code=paths.code())
        report.phase("curation", total=len(found.shards))
        wanted = Wanted(
            near=settings.near_duplicates,
            pass_rate=(settings.pass_rate[0], settings.pass_rate[1]),
            keep_per_prompt=settings.keep_per_prompt,
            targets=settings.targets() if isinstance(settings, Rejection) else {},
        )
        funnel = curate(found, wanted, store, paths.out, workers=workers, progress=report.step)
    paths.write_curve("funnel", steps(funnel.rows, funnel.dropped))
    for domain, rows in wanted.targets.items():
        if (there := funnel.domains.get(domain, 0)) < rows:
            report.note(f"{there:,} rows of {domain} instead of {rows:,}: there are no more")
    return funnel


@contextmanager
def _store(paths: Paths) -> Iterator[Store]:
    """The stage's store, locked against being cleaned or removed (r1 gc); a passing one where nothing is kept."""
    if paths.store is None:
        with tempfile.TemporaryDirectory() as folder:
            yield Store(Path(folder))
        return
    with in_use(paths.store) as lock:
        store = Store(paths.store)
        yield store
        # What this run didn't use goes, unless another run works with the store at the moment.
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        store.clean()


def _imported(
    store: Store, name: str, paths: Paths, template: Template, reasoning: Recipe, settings: Curation
) -> list[Source]:
    """An import's traces and, where they are wanted, its general rows. A file that was graded before is not graded again."""
    readers: list[tuple[Table, Callable[[pl.DataFrame, Template], pl.DataFrame], Recipe]] = [
        (TRACES, _graded, _imports(reasoning, settings))
    ]
    if isinstance(settings, Rejection):
        readers.append((GENERAL, graded_general, _general(reasoning, settings, name)))
    found = []
    for table, graded, recipe in readers:
        files = sorted((paths.data / "imports" / name).glob(f"{table.name}-*.parquet"))
        if files:
            rows = [_once(store, path, table, graded, template, paths.code()) for path in files]
            found.append(Source(name=name, files=rows, recipe=recipe))
    if not found:
        wanted = " or general rows" if len(readers) > 1 else ""
        raise UserError(
            f"imports names {name!r}, but data/imports/{name} holds no traces{wanted}",
            hint=f"r1 data import FILE --name {name}",
        )
    return found


def _once(
    store: Store,
    path: Path,
    table: Table,
    graded: Callable[[pl.DataFrame, Template], pl.DataFrame],
    template: Template,
    code: str,
) -> Path:
    """The graded rows of a file, from the store if they are there."""
    of = content_id("graded", [sha256(path.read_bytes()).hexdigest(), table.name, template, code])
    there = store.rows(f"graded-{of}.parquet")
    return there if there.exists() else store.write(there.name, graded(read_table(path, table), template))


def _graded(traces: pl.DataFrame, template: Template) -> pl.DataFrame:
    """Imported traces as rows for curation, their parents. Answers are graded by r1's own rules wherever there is a gold
    answer; without one the source's word counts."""
    rows = []
    for trace in traces.iter_rows(named=True):
        verdict, language = trace["verdict"], consistency(split(trace["response"]).thought, trace["language"])
        if trace["kind"] == "reasoning" and trace["answer"]:
            task = Task(
                id=trace["task_id"],
                kind=trace["kind"],
                family=trace["family"],
                difficulty=0,
                language=trace["language"],
                prompt=trace["prompt"],
                answer=trace["answer"],
            )
            verdict = grade(task, trace["response"], finished=True, template=template).verdict
        row = {name: trace[name] for name in EXAMPLES.columns if name in trace}
        row |= {"r1_parents": [trace["r1_id"]], "r1_op": "ingest", "r1_gen": None, "license": trace["license"]}
        row |= {"verdict": verdict, "language_consistency": language, "held_out": False}
        rows.append({**row, "r1_id": EXAMPLES.row_id(row)})
    return pl.DataFrame(rows, schema=ROWS)


def _imports(reasoning: Recipe, settings: Curation) -> Recipe:
    """What imported rows must be: what the sampled ones must, and an answer must have some words."""
    return replace(reasoning, licenses=tuple(settings.licenses), min_words=max(MIN_WORDS, settings.min_words))


def _general(reasoning: Recipe, settings: Rejection, name: str) -> Recipe:
    """What imported general rows must be: readable, and as stages/curate/general.py wants them."""
    return replace(
        reasoning,
        verified=False,
        min_words=0,
        licenses=tuple(settings.licenses),
        general=True,
        names=tuple(settings.names),
        min_quality=settings.min_quality.get(name),
    )
