"""The commands `r1 data`: import, show, stats, diff, export. Each is a few lines; their modules are imported late."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from r1cli.project import find_project

if TYPE_CHECKING:
    from r1cli.data.artifacts import Rows

app = typer.Typer(no_args_is_help=True, help="Look at data, bring your own in, hand it on.", rich_markup_mode=None)

CUT = 1_500  # characters of a text that are shown
Json = Annotated[bool, typer.Option("--json", help="For programs.")]
Artifact = Annotated[
    str,
    typer.Argument(
        metavar="ARTIFACT", help="A stage, STAGE/TABLE, an import, REVISION:STAGE, or a Parquet, JSONL or CSV file."
    ),
]
Where = Annotated[
    str, typer.Option("--where", metavar="EXPR", help="Only rows that fit: SQL, or a polars expression (docs/data.md).")
]
Rejected = Annotated[bool, typer.Option("--rejected", help="The rows that were dropped, with the reasons, instead.")]
Seed = Annotated[int, typer.Option("--seed", help="Of the sample.")]


def _find(artifact: str, rejected: bool) -> "list[Rows]":
    from r1cli.data import artifacts

    return artifacts.find(Path.cwd(), artifact, rejected=rejected)


@app.command("show")
def show_command(
    artifact: Artifact,
    where: Where = "",
    sample: Annotated[int | None, typer.Option("--sample", metavar="N", min=1, help="So many rows at random.")] = None,
    first: Annotated[int, typer.Option("-n", "--rows", min=1, help="Without --sample: so many of the first.")] = 5,
    seed: Seed = 0,
    rejected: Rejected = False,
    full: Annotated[bool, typer.Option("--full", help="Cut no text.")] = False,
    as_json: Json = False,
) -> None:
    """Show rows: question, thought and answer in their colours, what they earned and why."""
    from r1cli import console
    from r1cli.data import select, show

    chosen = select.choose(
        _find(artifact, rejected), where=where, count=sample or first, sample=sample is not None, seed=seed
    )
    rows = [(one.table.name, row) for one in chosen for row in one.frame.iter_rows(named=True)]
    if as_json:
        console.as_json([{"table": name, **row} for name, row in rows])
        return
    for name, row in rows:
        console.pieces([*show.row(name, row, limit=0 if full else CUT), ("\n", "")])
    console.say(show.summary(chosen, where=where, sample=sample is not None))


@app.command("stats")
def stats_command(
    artifact: Artifact,
    where: Where = "",
    by: Annotated[str, typer.Option("--by", metavar="COLUMN", help="The means for each value of a column too.")] = "",
    rejected: Rejected = False,
    as_json: Json = False,
) -> None:
    """Show tables in figures: sizes, shares, lengths, rewards and reasons, sources and licences."""
    from dataclasses import asdict

    from r1cli import console
    from r1cli.data import report, stats

    found = stats.stats(_find(artifact, rejected), where=where, by=by)
    if as_json:
        console.as_json([asdict(one) for one in found])
    else:
        report.stats(found, by)


@app.command("diff")
def diff_command(
    before: Annotated[str, typer.Argument(metavar="A", help="As for show; main:rejection is another revision's.")],
    after: Annotated[str, typer.Argument(metavar="B", help="Another.")],
    sample: Annotated[int, typer.Option("--sample", metavar="N", min=0, help="Rows of each kind to show.")] = 1,
    rejected: Rejected = False,
    as_json: Json = False,
) -> None:
    """Show what differs between two tables: rows added, removed and changed, columns, counts."""
    from dataclasses import asdict

    from r1cli import console
    from r1cli.data import diff, report

    tables: Sequence[tuple[Rows, Rows]] = diff.pairs(_find(before, rejected), _find(after, rejected))
    found = [(pair, diff.differ(*pair)) for pair in tables]
    if as_json:
        console.as_json([asdict(difference) for _, difference in found])
        return
    for pair, difference in found:
        report.difference(pair, difference, sample=sample, limit=CUT)


@app.command("import")
def import_command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE_OR_HUB_ID",
            help="JSONL, JSON, Parquet or CSV, a folder of them, a Hub snapshot, or OWNER/NAME.",
        ),
    ],
    name: Annotated[str, typer.Option("--name", help="The import's name, and its problems' family.")],
    revision: Annotated[str, typer.Option("--revision", help="The Hub commit (needed for Hub ids).")] = "",
    config: Annotated[str, typer.Option("--config", help="Only files of this configuration.")] = "",
    split: Annotated[str, typer.Option("--split", help="Only files of this split.")] = "",
    preset: Annotated[
        str,
        typer.Option(
            "--preset",
            help="How rows are read: auto, openr1-math, numinamath-1.5, numinamath-cot, mixture-of-thoughts, math, gsm8k, "
            "dolly, no_robots, sharegpt, chat, completion, problems.",
        ),
    ] = "auto",
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            metavar="OURS=THEIRS",
            help="Read our column from theirs, as in prompt=query (may be repeated). Ours: prompt, answer, solution, "
            "response, messages, source, license, category; of general rows answer_language, references, safety, "
            "wants_thought, quality.",
        ),
    ] = None,
    value: Annotated[
        list[str] | None,
        typer.Option(
            "--value", metavar="OURS=TEXT", help="The same in all rows, as in category=writing (may be repeated)."
        ),
    ] = None,
    kind: Annotated[
        str, typer.Option("--kind", help="reasoning or general; default: as the rows say, else reasoning.")
    ] = "",
    role: Annotated[
        str, typer.Option("--role", help="train, validation, test, or held_out: no row of training may hold it.")
    ] = "train",
    license: Annotated[
        str, typer.Option("--license", help="The licence to record in each row that has none; else the card's.")
    ] = "",
) -> None:
    """Turn problems into rows of the task pool, responses into traces or general rows; name them in params.yaml."""
    from r1cli import console
    from r1cli.data import importing
    from r1cli.dispatch.local import LocalExecutor

    arguments = {
        "source": source,
        "name": name,
        "revision": revision,
        "config": config,
        "split": split,
        "preset": preset,
        "columns": ",".join(column or []),
        "values": json.dumps(dict(one.partition("=")[::2] for one in value or []), ensure_ascii=False),
        "kind": kind,
        "role": role,
        "license": license,
    }

    def show(metrics: Mapping[str, float]) -> None:
        rows = [[key.replace("_", " "), f"{value:g}"] for key, value in metrics.items()]
        console.table(["what", "rows"], rows, numeric=True)

    said = importing.bring_in(find_project(Path.cwd()), arguments, executor=LocalExecutor(), show=show)
    for line in said:
        console.say(line)


@app.command("export")
def export_command(
    artifact: Artifact,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder.")],
    with_rejected: Annotated[
        bool, typer.Option("--with-rejected", help="The dropped rows too, as a configuration of their own.")
    ] = False,
    license: Annotated[str, typer.Option("--license", help="Of the whole; default: the sources', or other.")] = "",
    as_json: Json = False,
) -> None:
    """Write tables as a Hugging Face data set: Parquet, a card filled from lineage, Croissant, manifests."""
    from r1cli import console
    from r1cli.data import export
    from r1cli.lineage import show

    root = find_project(Path.cwd()).root
    written = export.export(root, artifact, folder, rejected=with_rejected, license=license)
    if as_json:
        console.as_json({"folder": str(folder), "artifact": artifact, "files": written})
    else:
        show.files(folder, written)
