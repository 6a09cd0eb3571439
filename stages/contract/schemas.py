"""One polars schema per artifact: the interface between stages.

Every table carries `r1_id` (hash of the row's content), `r1_parents` (ids of the rows it was made
from) and `r1_op` (what made it). Tables of generated rows add `r1_gen`. Rows that a stage drops go
to a sidecar with the same columns and `r1_drop`, the reason.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

ROW = {"r1_id": pl.String(), "r1_parents": pl.List(pl.String()), "r1_op": pl.String()}
GENERATED = {
    "r1_gen": pl.Struct({"checkpoint": pl.String(), "sampling": pl.String(), "seed": pl.Int64(), "draw": pl.Int32()})
}
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
OPS = (
    "ingest", "dedup", "decontaminate", "generate", "verify", "judge",
    "filter", "mix", "template", "pair", "refine", "distill",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table's name, its columns in order, and which of them make a row's identity."""

    name: str
    columns: dict[str, pl.DataType]
    identity: tuple[str, ...]

    @property
    def schema(self) -> pl.Schema:
        return pl.Schema(self.columns)

    def rejected(self) -> "Table":
        """The sidecar's table: the same columns and the reason."""
        return Table(
            name=f"{self.name}_rejected",
            columns={**self.columns, "r1_drop": pl.String()},
            identity=(*self.identity, "r1_drop"),
        )

    def row_id(self, row: dict[str, object]) -> str:
        """16 bytes of SHA-256, in hex, over the table's name and the row's identity columns."""
        return content_id(self.name, [row[name] for name in self.identity])

    def row_ids(self, frame: pl.DataFrame) -> list[str]:
        """`row_id` of every row of a frame, computed from the content."""
        columns = [frame.get_column(name).to_list() for name in self.identity]
        return [content_id(self.name, values) for values in zip(*columns, strict=True)]


def content_id(kind: str, values: Iterable[object]) -> str:
    """16 bytes of SHA-256, in hex, over a kind and JSON-able values."""
    return hashlib.sha256(_encode([kind, *values]).encode()).hexdigest()[:32]


TASKS = Table(
    name="tasks",
    columns={
        **ROW,
        "kind": pl.String(),  # reasoning | helpful | safety
        "family": pl.String(),
        "difficulty": pl.Int32(),
        "language": pl.String(),  # en | zh
        "prompt": pl.String(),
        "answer": pl.String(),  # gold answer; for code one reference program; for safety "unsafe" or "safe"
        "tests": pl.String(),  # code only: JSON list of [input, output], or a code task (stages/rewards/code_task.py)
        "states": pl.List(pl.String()),  # hashes of the problem (first) and of its solution's states
        "source": pl.String(),
        "revision": pl.String(),
        "license": pl.String(),
    },
    identity=("kind", "family", "language", "prompt", "answer", "tests"),
)
DOCUMENTS = Table(
    name="documents",
    columns={
        **ROW,
        "form": pl.String(),
        "family": pl.String(),
        "text": pl.String(),
        "source": pl.String(),
        "revision": pl.String(),
        "license": pl.String(),
    },
    identity=("text",),
)
ROLLOUTS = Table(
    name="rollouts",
    columns={
        **ROW,
        **GENERATED,
        "step": pl.Int32(),
        "task_id": pl.String(),
        "kind": pl.String(),
        "family": pl.String(),
        "language": pl.String(),
        "prompt": pl.String(),
        "completion": pl.String(),
        "num_tokens": pl.Int32(),
        "finish": pl.String(),  # stop | length
        "verdict": pl.String(),  # correct | wrong | unknown
        "reason": pl.String(),  # why: correct, wrong, no_answer, bad_format, truncated, ...
        "accuracy": pl.Float32(),
        "format": pl.Float32(),
        "language_consistency": pl.Float32(),
        "preference": pl.Float32(),
        "reward": pl.Float32(),
        "advantage": pl.Float32(),
        "masked": pl.String(),  # why the row gave no gradient, or null
    },
    identity=("step", "task_id", "r1_gen", "completion"),
)
EXAMPLES = Table(
    name="examples",  # rows for supervised fine-tuning
    columns={
        **ROW,
        **GENERATED,
        "task_id": pl.String(),
        "kind": pl.String(),
        "family": pl.String(),
        "language": pl.String(),
        "prompt": pl.String(),
        "response": pl.String(),
        "num_tokens": pl.Int32(),
        "source": pl.String(),
    },
    identity=("prompt", "response"),
)
TRACES = Table(
    name="traces",  # imported responses, before any curation
    columns={
        **ROW,
        "task_id": pl.String(),  # the task's r1_id where it was imported too, else the hash of the prompt
        "kind": pl.String(),
        "family": pl.String(),
        "language": pl.String(),
        "prompt": pl.String(),
        "response": pl.String(),
        "answer": pl.String(),  # the task's gold answer, or ""
        "verdict": pl.String(),  # the source's own word: correct | wrong | unknown
        "reason": pl.String(),
        "num_tokens": pl.Int32(),  # as the source counted, or 0
        "source": pl.String(),
        "revision": pl.String(),
        "license": pl.String(),
    },
    identity=("prompt", "response"),
)
CATEGORIES = ("writing", "factual_qa", "self_cognition", "translation", "safety", "software", "other")
DEMANDS = {  # of a general answer, beside its request
    "thought": pl.String(),  # wanted | none | any
    "answer_language": pl.String(),  # what the answer must be in (always said of translations), or ""
    "references": pl.List(pl.String()),  # factual_qa: the answer must hold one of them
    "safety": pl.String(),  # unsafe: must be refused | safe: must not | "": not said (of safety rows it always is)
    "quality": pl.Float32(),  # the source's own score, or null
}
GENERAL = Table(
    name="general",  # imported answers to general requests, before any curation
    columns={
        **ROW,
        "task_id": pl.String(),  # the hash of the prompt
        "category": pl.String(),  # one of CATEGORIES
        "language": pl.String(),  # of the prompt
        "prompt": pl.String(),
        "response": pl.String(),
        **DEMANDS,
        "num_tokens": pl.Int32(),  # as the source counted, or 0
        "source": pl.String(),
        "revision": pl.String(),
        "license": pl.String(),
    },
    identity=("category", "prompt", "response", *DEMANDS),
)
PAIRS = Table(
    name="pairs",
    columns={
        **ROW,
        **GENERATED,  # of the chosen answer; the rejected one differs in the draw only
        "rejected_draw": pl.Int32(),
        "task_id": pl.String(),
        "language": pl.String(),
        "prompt": pl.String(),
        "chosen": pl.String(),
        "rejected": pl.String(),
        "margin": pl.Float32(),
    },
    identity=("prompt", "chosen", "rejected"),
)
LABELS = Table(
    name="labels",
    columns={
        **ROW,
        **GENERATED,
        "task_id": pl.String(),
        "language": pl.String(),
        "prompt": pl.String(),
        "response": pl.String(),
        "safe": pl.Boolean(),
    },
    identity=("prompt", "response"),
)
SCORES = Table(
    name="scores",
    columns={
        **ROW,
        **GENERATED,
        "model": pl.String(),
        "task_id": pl.String(),
        "kind": pl.String(),
        "family": pl.String(),
        "difficulty": pl.Int32(),
        "language": pl.String(),
        "prompt": pl.String(),
        "completion": pl.String(),
        "answer": pl.String(),  # the extracted answer in canonical form, or null
        "verdict": pl.String(),
        "reason": pl.String(),
        "correct": pl.Boolean(),
        "format": pl.Float32(),
        "language_consistency": pl.Float32(),
        "num_tokens": pl.Int32(),
        "truncated": pl.Boolean(),
        "refused": pl.Boolean(),
        "preference": pl.Float32(),  # reward model's score; null where none applies
    },
    identity=("model", "task_id", "r1_gen", "completion"),
)
CONTAMINATION = Table(
    name="contamination",  # problems of an evaluation that stand in what its model was trained on
    columns={
        **ROW,
        "model": pl.String(),
        "task_id": pl.String(),
        "family": pl.String(),
        "how": pl.String(),  # as stages/curate/decontaminate.py names it
        "counts": pl.Boolean(),  # no mere likeness among problems of one generator
        "table": pl.String(),  # below data/
        "row_id": pl.String(),  # the first row of the table that holds the problem
    },
    identity=("model", "task_id", "how", "table", "row_id"),
)

TABLES = (TASKS, DOCUMENTS, ROLLOUTS, EXAMPLES, TRACES, GENERAL, PAIRS, LABELS, SCORES, CONTAMINATION)


def table_of(schema: pl.Schema) -> Table | None:
    """The table whose rows have this schema; for a sidecar's schema the table that its rows were dropped from."""
    kept = pl.Schema({name: kind for name, kind in schema.items() if name != "r1_drop"})
    return next((table for table in TABLES if table.schema == kept), None)


def schema_name(schema: pl.Schema) -> str:
    """The name of a schema's table or sidecar, or nothing for one that r1 doesn't know."""
    table = table_of(schema)
    if table is None:
        return ""
    return table.rejected().name if "r1_drop" in schema else table.name
