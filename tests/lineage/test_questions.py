"""`r1 lineage --row`, `impact`, `forget`, `diff`: what the synthetic DAG's rows led to is known, and so are the answers."""

import json
import shutil
from typing import Any

import polars as pl
import pytest

from r1cli.app import main
from r1cli.lineage import diff, forget, impact, replay, rows, snapshot, tree
from stages.contract.errors import UserError
from tests.lineage.conftest import LICENSES, Dag


def ids(dag: Dag, path: str) -> list[str]:
    found: list[str] = dag.table(path)["r1_id"].to_list()
    return found


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    try:
        main([*arguments, "--json"])
    except SystemExit as end:
        assert not end.code, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    assert end.value.code == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ") and "hint: " in err and "Traceback" not in err
    return err


def effects(dag: Dag, *wanted: str) -> dict[str, impact.Effect]:
    return {effect.artifact: effect for effect in impact.impact(dag.snapshot(), wanted).effects}


def test_a_task_leads_to_samples_examples_checkpoints_and_scores(dag: Dag) -> None:
    task = ids(dag, "prompts/train.parquet")[2]
    found = impact.impact(dag.snapshot(), [task])
    by_name = {effect.artifact: effect for effect in found.effects}
    assert list(by_name) == ["prompts", "zero", "cold_start", "cold_sft", "evaluate@cold_sft"]
    assert (by_name["prompts"].holds, by_name["prompts"].learned) == (1, False)
    assert (by_name["zero"].made, by_name["zero"].steps) == (2, (2,))
    assert (by_name["cold_start"].made, by_name["cold_start"].through) == (1, ("zero",))
    assert by_name["cold_sft"].steps == (2,) and by_name["evaluate@cold_sft"].through == ("cold_sft",)
    assert [(r.artifact, r.step) for r in found.rewinds] == [("zero", 1)]
    zero = next(use for use in found.uses if use.artifact == "zero")
    assert zero.entries["reward"].to_list() == [0.0, 1.0] and zero.entries["advantage"].to_list() == [-0.5, 0.5]


def test_what_was_only_read_taints_nothing(dag: Dag) -> None:
    assert list(effects(dag, ids(dag, "prompts/train.parquet")[9])) == ["prompts"]


def test_a_document_is_behind_everything_that_came_from_base(dag: Dag) -> None:
    found = impact.impact(dag.snapshot(), [ids(dag, "prompts/corpus.parquet")[8]])
    assert [(r.artifact, r.step) for r in found.rewinds] == [("base", 1)]
    assert {e.artifact for e in found.effects if e.through} == {"zero", "cold_start", "cold_sft", "evaluate@cold_sft"}


def test_a_test_problem_is_behind_its_scores_alone(dag: Dag) -> None:
    found = effects(dag, ids(dag, "prompts/test.parquet")[0])
    assert list(found) == ["prompts", "evaluate@cold_sft"] and found["evaluate@cold_sft"].made == 1


def test_a_dropped_row_is_behind_nothing(dag: Dag) -> None:
    assert effects(dag, ids(dag, "cold_start/examples_rejected.parquet")[0]) == {}


def test_impact_for_programs(dag: Dag, capsys: pytest.CaptureFixture[str]) -> None:
    found = answer(capsys, "impact", "source = 'file:mine.jsonl'")
    assert len(found["rows"]) == 2 and found["checkpoints"] == [] and len(found["clean_checkpoints"]) == 3
    found = answer(capsys, "impact", ids(dag, "cold_start/examples.parquet")[0][:10])
    assert found["checkpoints"] == ["data/cold_sft/checkpoint"] and found["scores"]["evaluate@cold_sft"]["pass_at_1"]
    assert found["last_clean"] == [{"artifact": "cold_sft", "checkpoint": "checkpoint", "step": 0}]


def test_a_rows_way_to_a_checkpoint(dag: Dag, capsys: pytest.CaptureFixture[str]) -> None:
    row = ids(dag, "cold_start/examples.parquet")[3]
    found = answer(capsys, "lineage", "cold_sft", "--row", row)
    assert [(p["artifact"], p["table"], p["row"]) for p in found["places"]] == [("cold_start", "examples.parquet", 3)]
    (origin,) = found["made_from"]
    assert (origin["artifact"], origin["content"]["source"], origin["content"]["license"]) == (
        "prompts", "r1/embedded-world", LICENSES[0],
    )  # fmt: skip
    assert [(u["artifact"], u["steps"]) for u in found["used"]] == [("cold_sft", [1])]


def test_a_sample_whose_text_was_not_kept_is_found_in_the_ledger(dag: Dag, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = dag.table("zero/ledger.parquet")
    row = ledger.filter(pl.col("step") == 2)["row_id"][1]
    found = answer(capsys, "lineage", "zero", "--row", row)
    assert found["places"][0]["table"] == "ledger.parquet" and found["content"]["reward"] == 1.0
    assert found["made_from"][0]["id"] == ledger.filter(pl.col("step") == 2)["task_id"][1]


def test_the_tree_rolls_up_sources_and_licences(dag: Dag) -> None:
    found = dag.snapshot()
    chosen = snapshot.checkpoint(found, "cold_sft")
    described = tree.describe(found, chosen, {"zero": ["differs"]})
    assert {(s["source"], s["license"], s["rows"]) for s in described["sources"]} == {  # type: ignore[attr-defined]
        ("r1/embedded-world", LICENSES[0], 12 + 3 + 20), ("file:mine.jsonl", LICENSES[1], 2),
    }  # fmt: skip
    drawn = tree.draw(found, chosen, {"zero": ["differs"]})
    assert drawn.label == "cold_sft" and [c.label for c in drawn.children][-2:] == ["base", "cold_start"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("lineage", "sft"), "no checkpoint is called 'sft'"),
        (("impact", "abcdef123456"), "no row here is 'abcdef123456'"),
        (("impact", "nothing = 1"), "no row of a table with these columns"),
        (("impact", "))"), "neither a row id nor a filter"),
        (("prove", "0" * 32, "--checkpoint", "prompts"), "no checkpoint is called"),
        (("diff", "nowhere"), ""),
    ],
)
def test_bad_questions(dag: Dag, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str) -> None:
    assert says in refused(capsys, *arguments)


def test_no_artifacts_at_all(dag: Dag, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(dag.root / "data")
    for arguments in (("verify",), ("lineage", "zero"), ("impact", "0" * 32)):
        assert "r1 run all" in refused(capsys, *arguments)


# -- forget -----------------------------------------------------------------------------------------


def plan_for(dag: Dag, row: str) -> forget.Plan:
    found = dag.snapshot()
    return forget.plan(found, rows.find(found, row))


def test_the_stage_that_wrote_a_row_drops_it_and_its_readers_run_again(dag: Dag) -> None:
    row = ids(dag, "cold_start/examples.parquet")[0]
    plan = plan_for(dag, row)
    assert plan.forget == {"cold_start": [row]}
    assert plan.rerun == ["cold_start", "cold_sft", "evaluate@cold_sft"]
    assert plan.leaves(dag.snapshot()) == ["evaluate@cold_sft"]


def test_only_what_reads_the_changed_table_runs_again(dag: Dag) -> None:
    assert plan_for(dag, ids(dag, "prompts/test.parquet")[0]).rerun == ["prompts", "evaluate@cold_sft"]
    assert plan_for(dag, ids(dag, "prompts/corpus.parquet")[0]).rerun == [
        "prompts", "base", "zero", "cold_start", "cold_sft", "evaluate@cold_sft",
    ]  # fmt: skip


def test_samples_and_dropped_rows_cannot_be_forgotten_by_themselves(dag: Dag) -> None:
    with pytest.raises(UserError, match="is a sample of zero"):
        plan_for(dag, ids(dag, "zero/rollouts.parquet")[0])
    with pytest.raises(UserError, match="dropped already \\(held_out_text\\)"):
        plan_for(dag, ids(dag, "prompts/train_rejected.parquet")[0])


def test_a_list_that_is_there_grows(dag: Dag) -> None:
    plan = forget.Plan(forget={"prompts": ["b", "c"]}, rerun=[])
    assert forget.merged({"prompts": {"forget": ["a", "b"]}}, plan) == [(("prompts", "forget"), ["a", "b", "c"])]


def test_without_consent_nothing_changes(dag: Dag, capsys: pytest.CaptureFixture[str]) -> None:
    before = (dag.root / "params.yaml").read_bytes()
    row = ids(dag, "cold_start/examples.parquet")[0]
    assert answer(capsys, "forget", row)["rerun"] == ["cold_start", "cold_sft", "evaluate@cold_sft"]
    assert (dag.root / "params.yaml").read_bytes() == before


# -- diff -------------------------------------------------------------------------------------------


def test_differences_between_two_states(made: Any, dag: Dag) -> None:
    from tests.lineage import conftest

    shutil.rmtree(dag.root / "data/cold_start")
    shutil.rmtree(dag.root / "data/evaluate")
    conftest._cold_start(dag.root)
    path = dag.root / "data/cold_start/examples.parquet"
    frame = pl.read_parquet(path)
    renewed = frame.drop("r1_id").with_columns(
        response=pl.when(pl.int_range(pl.len()) == 1).then(pl.lit("R")).otherwise("response")
    )
    renewed = conftest.rows(conftest.EXAMPLES, renewed[:4].to_dicts())
    path.unlink()
    renewed.write_parquet(path)
    conftest._finish(dag.root, "cold_start", {"seed": 0, "cold_start": {"prompts": 9}})
    changes = {c.stage: c for c in diff.differences(snapshot.opened(made), dag.snapshot())}
    assert changes["evaluate@cold_sft"].only == "before" and set(changes) == {"evaluate@cold_sft", "cold_start"}
    assert changes["cold_start"].params == {"cold_start.prompts": (6, 9)}
    (table,) = changes["cold_start"].rows
    assert (table.before, table.after, table.changed) == (5, 4, 1)
    assert (len(table.added), len(table.removed)) == (1, 2)  # one is the same question answered otherwise


def test_intervals_say_whether_a_metric_moved() -> None:
    before = {"evaluate-a": {"pass_at_1": 0.5, "pass_at_1_low": 0.4, "pass_at_1_high": 0.6, "length": 3.0}}
    after = {"evaluate-a": {"pass_at_1": 0.8, "pass_at_1_low": 0.7, "pass_at_1_high": 0.9, "length": 3.0}}
    (figure,) = diff.figures(before, after)["evaluate-a"]
    assert (figure.metric, figure.apart) == ("pass_at_1", True)
    assert (
        diff.figures(before, {"evaluate-a": {**after["evaluate-a"], "pass_at_1_low": 0.55}})["evaluate-a"][0].apart
        is False
    )


# -- what lies here is not what it was made from ----------------------------------------------------


def other_examples(dag: Dag) -> None:
    """cold_start ran again and wrote other rows; cold_sft has not."""
    from tests.lineage import conftest

    shutil.rmtree(dag.root / "data/cold_start")
    conftest._cold_start(dag.root)
    path = dag.root / "data/cold_start/examples.parquet"
    frame = pl.read_parquet(path)
    path.unlink()
    frame.reverse().write_parquet(path)
    conftest._finish(dag.root, "cold_start", {"seed": 0, "cold_start": {"prompts": 6}})


def test_answers_about_other_rows_than_were_trained_on_are_refused(
    dag: Dag, capsys: pytest.CaptureFixture[str]
) -> None:
    row = ids(dag, "cold_start/examples.parquet")[0]
    assert snapshot.contradictions(dag.snapshot(), "cold_sft") == []
    other_examples(dag)
    told = "cold_sft was made from another data/cold_start/examples.parquet than lies here"
    assert snapshot.contradictions(dag.snapshot(), "cold_sft") == [told]
    assert snapshot.contradictions(dag.snapshot(), "cold_start") == []
    assert told in refused(capsys, "prove", row, "--checkpoint", "cold_sft")
    assert told in refused(capsys, "export", "cold_sft", "out")
    assert "cold_sft was trained on another data/cold_start/examples.parquet" in refused(capsys, "impact", row)


def test_an_answer_that_lacks_its_table_is_refused(dag: Dag, capsys: pytest.CaptureFixture[str]) -> None:
    row = ids(dag, "cold_start/examples.parquet")[0]
    (dag.root / "data/cold_start/examples.parquet").unlink()
    assert "data/cold_start/examples.parquet is not here" in refused(capsys, "lineage", "cold_sft", "--row", row)


@pytest.mark.parametrize("row", ["family = 'code'", "xyz", "abc"])
def test_one_row_is_asked_for_by_its_id(dag: Dag, capsys: pytest.CaptureFixture[str], row: str) -> None:
    assert "is no row id" in refused(capsys, "lineage", "cold_sft", "--row", row)
    assert "is no row id" in refused(capsys, "prove", row, "--checkpoint", "cold_sft")


def test_other_libraries_are_told(made: Any, dag: Dag) -> None:
    path = dag.root / "data/zero/manifest.json"
    manifest = json.loads(path.read_text())
    libraries = manifest["determinism"]["libraries"]
    now, libraries["torch"] = libraries["torch"], "0.1"
    path.unlink()
    path.write_text(json.dumps(manifest))
    (change,) = diff.differences(snapshot.opened(made), dag.snapshot())
    assert (change.stage, change.libraries) == ("zero", {"torch": (now, "0.1")})
    again = replay.Replay(artifact="zero", step=1, entries=True, weights=False)
    assert not again.same and "torch 0.1 then, " in again.hint(dag.snapshot())
    lines = tree.determinism(dag.snapshot(), ["zero", "cold_sft"])
    assert lines[0].endswith(
        f"python {libraries['python']}, sympy {libraries['sympy']}, torch 0.1, torch {now}, threads 2"
    )
    assert any(line.startswith("may differ: time limits of verifiers") for line in lines)


def test_what_reads_a_model_that_its_own_writer_trained_on_the_row_runs_again(dag: Dag) -> None:
    """As reward_model's pairs: nobody reads the table, but the models that it taught are read."""
    found = dag.snapshot()
    path = dag.root / "data/cold_start/manifest.json"
    manifest = json.loads(path.read_text())
    manifest["checkpoints"] = {"judge": "0" * 32}
    head = json.loads((dag.root / "data/cold_sft/manifest.json").read_text())["ledgers"]["ledger.parquet"]
    manifest["ledgers"] = {
        "judge_ledger.parquet": {**head, "trains": "judge", "table": "data/cold_start/pairs.parquet"}
    }
    path.unlink()
    path.write_text(json.dumps(manifest))
    path = dag.root / "data/cold_sft/manifest.json"
    manifest = json.loads(path.read_text())
    manifest["inputs"]["data/cold_start/judge"] = manifest["inputs"].pop("data/cold_start/examples.parquet")
    path.unlink()
    path.write_text(json.dumps(manifest))
    place = rows.Place(id="a" * 32, artifact="cold_start", table="pairs.parquet", row=0)
    assert forget.plan(dag.snapshot(), [place]).rerun == ["cold_start", "cold_sft", "evaluate@cold_sft"]
    other = rows.Place(id="a" * 32, artifact="cold_start", table="labels.parquet", row=0)
    assert forget.plan(dag.snapshot(), [other]).rerun == ["cold_start"]
    assert forget.plan(found, [other]).rerun == ["cold_start"]
