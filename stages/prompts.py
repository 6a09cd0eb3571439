"""The task pool: problems of every kind, split and kept apart, and the documents the base model reads.

Paper: RL data (section 2.3, Table 4) and decontamination (appendix D.1).
Imports may be benchmarks that nothing here evaluates (role held_out): they join no split, and no training row may hold
their problems. Reference solutions of held-out problems count, as in the paper.
Reads: data/imports/*/*.parquet. Writes: train, validation, test, general, general_validation, general_test, corpus, a
rejected sidecar for each table that may lose rows, and held_out.
"""

import polars as pl

from stages.contract.errors import UserError
from stages.contract.events import Reporter
from stages.contract.job import Paths, start
from stages.contract.params import Params, Prompts
from stages.contract.schemas import DOCUMENTS, GENERAL, TASKS, TRACES
from stages.contract.tables import read_table, write_table
from stages.curate.decontaminate import benchmarks, decontaminate, hold_out
from stages.curate.dedup import deduplicate
from stages.curate.outcome import Curated, forget, funnel
from stages.tasks.corpus import SOURCE, documents, general_tasks, problem_tasks

SPLITS = ("test", "validation", "train")  # held-out ones first: what they hold, the later ones may not
HELD_OUT = "held_out"  # the role of imports that are no split


def main(params: Params, paths: Paths, report: Reporter) -> None:
    assert params.world is not None and params.prompts is not None
    world, wanted = params.world, params.prompts
    report.phase("problems and documents", total=len(SPLITS) + 2)
    imported = _imported(wanted, paths)
    held_out, texts = pl.DataFrame(schema=TASKS.schema), _held_out(wanted, paths)
    write_table(texts, paths.out / "held_out.parquet", DOCUMENTS)
    counts: dict[str, int] = {}
    for done, split in enumerate(SPLITS, start=1):
        drawn = problem_tasks(world, getattr(wanted, split), seed=f"{params.seed} {split}")
        unique = deduplicate(pl.concat([drawn, *imported[split]]))
        remembered = forget(unique.kept, wanted.forget)
        beside = benchmarks(held_out, texts if split != "test" else texts[:0])
        # The world's own problems are alike by nature, and their states tell them apart.
        alike = [*(held_out["source"] != SOURCE["source"]), *(True for _ in range(len(beside) - len(held_out)))]
        clean = decontaminate(remembered.kept, hold_out(beside, ngram=wanted.ngram, alike=alike))
        write_table(clean.kept, paths.out / f"{split}.parquet", TASKS)
        rejected = pl.concat([unique.rejected, remembered.rejected, clean.rejected])
        write_table(rejected, paths.out / f"{split}_rejected.parquet", TASKS.rejected())
        if split == "train":
            steps = Curated(kept=clean.kept, rejected=rejected)
            paths.write_curve("funnel", funnel(unique.kept.height + unique.rejected.height, steps.reasons()))
        counts |= {f"{split}_tasks": len(clean.kept), f"{split}_rejected": len(rejected)}
        if split != "train":
            held_out = pl.concat([held_out, clean.kept])
        report.step(done)

    general_rejected = []
    for name, frame in general_tasks(seed=params.seed, held_out=wanted.general_held_out).items():
        remembered = forget(frame, wanted.forget)
        write_table(remembered.kept, paths.out / f"{name}.parquet", TASKS)
        general_rejected.append(remembered.rejected)
        counts[name] = len(remembered.kept)
        if name != "general":
            held_out = pl.concat([held_out, remembered.kept])
    write_table(pl.concat(general_rejected), paths.out / "general_rejected.parquet", TASKS.rejected())
    report.step(len(SPLITS) + 1)

    problems = frozenset(states[0] for states in held_out["states"].to_list())
    corpus, contaminated = documents(world, seed=params.seed, held_out=problems)
    documents_left = forget(corpus, wanted.forget)
    corpus, dropped = documents_left.kept, pl.concat([contaminated, documents_left.rejected])
    write_table(corpus, paths.out / "corpus.parquet", DOCUMENTS)
    write_table(dropped, paths.out / "corpus_rejected.parquet", DOCUMENTS.rejected())
    report.step(len(SPLITS) + 2)
    if len(texts):
        counts["held_out_texts"] = len(texts)
    paths.write_metrics(counts | {"documents": len(corpus), "documents_rejected": len(dropped)})


def _imported(wanted: Prompts, paths: Paths) -> dict[str, list[pl.DataFrame]]:
    """The imported tasks of each split, by the role that the params give each import."""
    found: dict[str, list[pl.DataFrame]] = {split: [] for split in SPLITS}
    for name in wanted.imports:
        role = _role(wanted, name)
        path = paths.data / "imports" / name / "tasks.parquet"
        if not path.exists():
            raise UserError(
                f"prompts.imports names {name!r}, but data/imports/{name}/tasks.parquet is missing",
                hint=f"r1 data import FILE --name {name}",
            )
        if role != HELD_OUT:
            found[role].append(read_table(path, TASKS))
    return found


def _held_out(wanted: Prompts, paths: Paths) -> pl.DataFrame:
    """Problems of imports that are held out only, and solutions of all held-out imports: documents, whose parents are the
    problems' rows."""
    found = [pl.DataFrame(schema=DOCUMENTS.schema)]
    for name in wanted.imports:
        role, folder = _role(wanted, name), paths.data / "imports" / name
        tables = {"tasks.parquet": TASKS, "traces-*.parquet": TRACES, "general-*.parquet": GENERAL}
        for pattern, table in tables.items() if role == HELD_OUT else ():
            found += [_problems(read_table(path, table), name) for path in sorted(folder.glob(pattern))]
        if role != "train":
            found += [read_table(path, DOCUMENTS) for path in sorted(folder.glob("solutions-*.parquet"))]
    return pl.concat(found).unique("r1_id", keep="first", maintain_order=True)


def _problems(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """The questions of an import's rows as documents."""
    problems = rows.select(
        r1_parents=pl.concat_list("r1_id"),
        r1_op=pl.lit("ingest"),
        form=pl.lit("problem"),
        family=pl.lit(name),
        text="prompt",
        source="source",
        revision="revision",
        license="license",
    )
    return problems.with_columns(r1_id=pl.Series(DOCUMENTS.row_ids(problems), dtype=pl.String)).select(
        list(DOCUMENTS.columns)
    )


def _role(wanted: Prompts, name: str) -> str:
    role = wanted.import_roles.get(name, "train")
    if role not in (*SPLITS, HELD_OUT):
        raise UserError(
            f"prompts.import_roles.{name}: {role!r} is not one of {', '.join((*SPLITS, HELD_OUT))}",
            hint=f"r1 run prompts --set prompts.import_roles.{name}=train",
        )
    return role


if __name__ == "__main__":
    start(main)
