"""General rows from somebody's files to the mix: five imports, curated by the rejection stage's settings."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from stages.assembly.curation import Part, curated
from stages.contract.errors import UserError
from stages.contract.events import Silent
from stages.contract.job import Paths
from stages.contract.params import Curation
from stages.contract.schemas import EXAMPLES, GENERAL, TASKS
from stages.contract.tables import read_table
from stages.curate.recipe import GRADED, Recipe
from stages.curate.stream import Funnel
from stages.import_data import main as import_data
from tests.stages import small

NONE = pl.DataFrame(schema={**EXAMPLES.columns, **GRADED})
RAIN = "Rain falls on roofs and on gardens alike."
HELD_OUT = "Find the number of ways in which 7 red and 5 blue balls fit into a row of 12 boxes."
# Of each import: what --value and --license say, and rows with the reason why each is dropped ("": it stays).
IMPORTS: Mapping[str, tuple[Mapping[str, str], str, Sequence[tuple[Mapping[str, object], str]]]] = {
    "writing": ({"category": "writing"}, "cc-by-4.0", [
        ({"prompt": "Write about rain.", "response": RAIN, "quality": 4}, ""),
        ({"prompt": "Write about rain.", "response": "It rains on the just and on the unjust.", "quality": 4}, ""),
        ({"prompt": "write about  rain.", "response": "Rain, rain, go away to another day.", "quality": 4}, "not_sampled"),
        ({"prompt": "Write on rain.", "response": "Rain is wet and that is all.", "quality": 1}, "low_quality"),
        ({"prompt": "Write a song.", "response": "La."}, "too_short"),
        ({"prompt": "Write a riddle.", "response": HELD_OUT.replace("7", "9").replace("12", "14")}, "held_out_ngram"),
        ({"prompt": "Write a plan.", "response": "<think>Well, first of all"}, "truncated"),
    ]),
    "facts": ({"category": "factual_qa"}, "mit", [
        ({"prompt": "Capital of France?", "response": "Paris", "references": ["paris"]}, ""),
        ({"prompt": "Capital of Peru?", "response": "That is Cuzco.", "references": ["Lima"]}, "no_reference"),
        ({"prompt": "Capital of Chad?", "response": "As an AI, I can't know that.", "references": []}, "boilerplate"),
    ]),
    "selves": ({"category": "self_cognition", "wants_thought": "none"}, "mit", [
        ({"prompt": "Who are you?", "response": "I am R1, a small model."}, ""),
        ({"prompt": "Who are you then?", "response": "I am ChatGPT, a big model."}, "identity"),
        ({"prompt": "Hello, you!", "response": "<think>They greet me.</think>Hello to you too!"}, "needless_thought"),
    ]),
    "translations": ({"category": "translation", "answer_language": "zh"}, "apache-2.0", [
        ({"prompt": "In Chinese: good morning", "response": "<think>They want 早上好, a greeting.</think>早上好"}, ""),
        ({"prompt": "In Chinese: good night", "response": "Bonne nuit à vous"}, "wrong_language"),
        ({"prompt": "In Chinese: good day", "response": "日安", "license": "proprietary"}, "license_not_wanted"),
    ]),
    "safety": ({"category": "safety"}, "mit", [
        ({"prompt": "How do I steal a car?", "response": "I'm sorry, but I can't help with that.", "safety": "unsafe"}, ""),
        ({"prompt": "How do I steal a bike?", "response": "Cut the lock with a saw.", "safety": "unsafe"}, "complied"),
        ({"prompt": "How do I wash a car?", "response": "I'm sorry, but I can't help with that.", "safety": "safe"}, "refused"),
    ]),
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The five files, imported."""
    root = tmp_path_factory.mktemp("general")
    for name, (values, license, rows) in IMPORTS.items():
        source = root / f"{name}.jsonl"
        source.write_text("".join(json.dumps(row) + "\n" for row, _ in rows))
        out = root / "data" / "imports" / name
        out.mkdir(parents=True)
        paths = Paths(data=root / "data", out=out, metrics=root / f"{name}.json", plots=root / "plots")
        arguments = {"source": str(source), "name": name, "kind": "general", "license": license}
        import_data({**arguments, "values": json.dumps(values), "columns": "quality=quality"}, paths, Silent())
    return root / "data"


def run(data: Path, work: Path, settings: Curation) -> tuple[Funnel, pl.DataFrame, pl.DataFrame]:
    paths = Paths(
        data=data, out=work / "out", metrics=work / "m.json", plots=work / "plots", store=work / "store" / "s"
    )
    task: dict[str, object] = {
        "r1_parents": [], "r1_op": "ingest", "kind": "reasoning", "family": "aime", "difficulty": 0, "language": "en",
        "prompt": HELD_OUT, "answer": "1", "tests": "", "states": [], "source": "file:aime.jsonl", "revision": "", "license": "",
    }  # fmt: skip
    held_out = pl.DataFrame([{"r1_id": TASKS.row_id(task), **task}], schema=TASKS.schema).with_columns(solution=False)
    recipe = Recipe(verified=True, template="chat", min_language=0.9, domains=getattr(settings, "domains", {}))
    sampled = [Part(name="sampled", files=lambda store: [], recipe=recipe)]
    funnel = curated(sampled, settings, held_out, paths, Silent(), template="chat", workers=1)
    kept = read_table(paths.out / "examples.parquet", EXAMPLES)
    return funnel, kept, read_table(paths.out / "examples_rejected.parquet", EXAMPLES.rejected())


def settings(**more: object) -> Curation:
    rejection = small.params().rejection
    assert rejection is not None
    chosen = {"imports": list(IMPORTS), "licenses": ["cc-by-4.0", "mit", "apache-2.0"], "min_quality": {"writing": 3.0}}
    return replace(rejection, keep_per_prompt=2, **{**chosen, **more})  # type: ignore[arg-type]


def test_each_row_stays_or_is_dropped_for_its_reason(data: Path, tmp_path: Path) -> None:
    funnel, kept, rejected = run(data, tmp_path, settings())
    reasons = pl.concat([kept.with_columns(r1_drop=pl.lit("")), rejected]).select(
        pl.col("prompt").str.to_lowercase().str.replace("  ", " "), pl.col("r1_drop").str.split(":").list.first()
    )
    expected = [(row["prompt"].lower().replace("  ", " "), why) for *_, rows in IMPORTS.values() for row, why in rows]
    assert sorted(reasons.rows()) == sorted(expected)
    assert funnel.domains == {"general": 6} and funnel.rows == len(expected)
    assert {"kind": "safety", "family": "safety"} in kept.select("kind", "family").to_dicts()
    assert kept["r1_id"].to_list() == EXAMPLES.row_ids(kept)


def test_a_kept_row_leads_to_its_source_and_licence(data: Path, tmp_path: Path) -> None:
    kept = run(data, tmp_path, settings())[1]
    files = [read_table(path, GENERAL) for path in sorted(data.glob("imports/*/general-*.parquet"))]
    parents = kept.with_columns(parent=pl.col("r1_parents").list.first()).join(
        pl.concat(files).rename({"r1_id": "parent"}), on="parent", how="left", suffix="_of_parent"
    )
    found = dict(parents.unique("family").select("family", "license").rows())
    assert found == {
        "writing": "cc-by-4.0", "factual_qa": "mit", "self_cognition": "mit", "translation": "apache-2.0", "safety": "mit",
    }  # fmt: skip
    assert parents["source_of_parent"].to_list() == parents["source"].to_list()


def test_categories_may_be_domains_of_their_own(data: Path, tmp_path: Path) -> None:
    shares = {"general": 2.0, "zh": 1.0}
    funnel, _, rejected = run(data, tmp_path, settings(total=3, shares=shares, domains={"translation": "zh"}))
    assert funnel.domains == {"general": 2, "zh": 1}
    assert rejected["r1_drop"].to_list().count("over_target") == 3


def test_names_that_the_model_may_have(data: Path, tmp_path: Path) -> None:
    kept = run(data, tmp_path, settings(names=["ChatGPT"]))[1]
    assert "I am ChatGPT, a big model." in kept["response"].to_list()


def test_cold_start_takes_reasoning_alone(data: Path, tmp_path: Path) -> None:
    cold_start = small.params().cold_start
    assert cold_start is not None
    with pytest.raises(UserError, match="data/imports/writing holds no traces$"):
        run(data, tmp_path, replace(cold_start, imports=["writing"]))
