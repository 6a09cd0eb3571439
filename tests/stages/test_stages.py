"""Every stage's real `main`, in the DAG's order, twice: exact files, schemas, metrics, and the same bytes again."""

import importlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import polars as pl
import pytest
import torch
from torch import Tensor

from stages import reward_check
from stages.contract.errors import UserError
from stages.contract.events import Silent
from stages.contract.job import Paths
from stages.contract.params import Params, Stretch
from stages.contract.schemas import CONTAMINATION, DOCUMENTS, EXAMPLES, LABELS, PAIRS, ROLLOUTS, SCORES, TASKS, Table
from stages.contract.tables import read_table, write_table
from stages.contract.task import tasks_of
from stages.contract.transcript import USER, split
from stages.model.checkpoint import load, load_decoder
from stages.rewards.language import consistency
from stages.rewards.scorer import grade
from stages.tasks.problems import states_in
from tests.stages import small
from tests.stages.stopping import Stopped, StoppingAttempt
from tests.tasks.reading import read

FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
LEDGER = {"ledger.parquet", "ledger.json"}
CHECKPOINT = LEDGER | {f"checkpoint/{name}" for name in FILES}
RL_METRICS = {
    "validation_accuracy", "validation_format", "validation_language", "validation_length", "reward", "entropy",
    "unknown",
}  # fmt: skip
SFT_METRICS = {"rows", "steps", "loss", "tokens"}
EVALUATION = {
    "pass_at_1", "pass_at_1_low", "pass_at_1_high", "pass_at_2", "cons_at_2", "format", "language", "length",
    "unknown", "preference", "contamination_unknown",
}  # fmt: skip


def _rejected(name: str, table: Table) -> dict[str, Table]:
    return {f"{name}.parquet": table, f"{name}_rejected.parquet": table.rejected()}


@dataclass(frozen=True, kw_only=True)
class Expected:
    tables: Mapping[str, Table]
    metrics: set[str]
    files: set[str]
    plots: set[str]


def _expected(tables: Mapping[str, Table], metrics: set[str], files: set[str], plots: str = "") -> Expected:
    return Expected(tables=tables, metrics=metrics, files=files, plots={f"{p}.tsv" for p in plots.split()})


PROMPTS = (
    _rejected("train", TASKS) | _rejected("validation", TASKS) | _rejected("test", TASKS)
    | _rejected("corpus", DOCUMENTS)
    | {f"{name}.parquet": TASKS for name in ("general", "general_validation", "general_test")}
    | {"general_rejected.parquet": TASKS.rejected(), "held_out.parquet": DOCUMENTS}
)  # fmt: skip
COUNTS = {
    "train_tasks", "train_rejected", "validation_tasks", "validation_rejected", "test_tasks", "test_rejected",
    "general", "general_validation", "general_test", "documents", "documents_rejected",
}  # fmt: skip
KINDS = ("helpful", "safety")
REWARD_MODELS = {f"{kind}/{name}" for name in FILES for kind in KINDS}
REWARD_MODELS |= {f"{kind}_{name}" for name in LEDGER for kind in KINDS}
EVALUATED = {"scores.parquet": SCORES, "contamination.parquet": CONTAMINATION}
STAGES = {
    "prompts": _expected(PROMPTS, COUNTS, set(), "funnel"),
    "base": _expected({}, {"loss", "tokens", "parameters"}, CHECKPOINT, "curve"),
    "student@small": _expected({}, {"loss", "tokens", "parameters"}, CHECKPOINT, "curve"),
    "zero": _expected({"rollouts.parquet": ROLLOUTS}, RL_METRICS, CHECKPOINT, "curve validation"),
    "cold_start": _expected(_rejected("examples", EXAMPLES), {"sampled", "rows", "refined"}, set(), "funnel"),
    "cold_sft": _expected({}, SFT_METRICS, CHECKPOINT, "curve"),
    "grpo": _expected({"rollouts.parquet": ROLLOUTS}, RL_METRICS, CHECKPOINT, "curve validation"),
    "rejection": _expected(
        _rejected("examples", EXAMPLES), {"sampled", "reasoning_rows", "general_rows", "accepted"}, set(), "funnel"
    ),
    "sft": _expected({}, SFT_METRICS, CHECKPOINT, "curve"),
    "reward_model": _expected(
        _rejected("pairs", PAIRS) | _rejected("labels", LABELS),
        {"pairs", "pairs_dropped", "labels", "unsafe_share", "helpful_accuracy", "safety_accuracy", "length_ratio"},
        REWARD_MODELS,
        "helpful safety",
    ),
    "align": _expected({"rollouts.parquet": ROLLOUTS}, RL_METRICS | {"preference"}, CHECKPOINT, "curve validation"),
    "distill@small": _expected({}, SFT_METRICS, CHECKPOINT, "curve"),
    "student_zero@small": _expected({"rollouts.parquet": ROLLOUTS}, RL_METRICS, CHECKPOINT, "curve validation"),
    "evaluate@base": _expected(EVALUATED, EVALUATION, {"contamination.json"}),
    "evaluate@align": _expected(EVALUATED, EVALUATION, {"contamination.json"}),
    "evaluate@distill-small": _expected(EVALUATED, EVALUATION, {"contamination.json"}),
}


def _folder(root: Path, stage: str) -> Path:
    return root / stage.replace("@", "/")


def _paths(data: Path, stage: str, root: Path) -> Paths:
    return Paths(
        data=data,
        out=_folder(root, stage),
        metrics=root / "metrics" / f"{stage}.json",
        plots=root / "plots" / stage,
        item=stage.partition("@")[2],
    )


def _run(data: Path, stage: str, root: Path, params: Params) -> Paths:
    """Run a stage that reads from `data` and writes below `root`."""
    paths = _paths(data, stage, root)
    paths.out.mkdir(parents=True, exist_ok=True)
    paths.metrics.parent.mkdir(parents=True, exist_ok=True)
    main = importlib.import_module(f"stages.{stage.partition('@')[0]}").main
    main(params, paths, Silent())
    return paths


def _run_with_stops(data: Path, stage: str, root: Path, params: Params) -> int:
    """Run a stage that is stopped again and again, later each time; how often it was."""
    work = root / "work" / stage
    work.mkdir(parents=True)
    main = importlib.import_module(f"stages.{stage.partition('@')[0]}").main
    for stops in range(10):
        paths = replace(_paths(data, stage, root), attempt=StoppingAttempt(work / "steps", at=2 * 3**stops))
        for folder in (paths.out, paths.plots):
            shutil.rmtree(folder, ignore_errors=True)
        paths.out.mkdir(parents=True)
        paths.metrics.parent.mkdir(parents=True, exist_ok=True)
        try:
            main(params, paths, Silent())
        except Stopped:
            continue
        return stops
    raise AssertionError("it makes no way")


def _bytes(paths: Paths) -> dict[str, bytes]:
    files = [paths.metrics, *(p for folder in (paths.out, paths.plots) for p in folder.rglob("*") if p.is_file())]
    return {str(p.relative_to(paths.metrics.parents[1])): p.read_bytes() for p in files}


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The whole DAG run once, and each stage of it once more on the same inputs, stopped on its way and resumed:
    (data, the second outs)."""
    root = tmp_path_factory.mktemp("dag")
    data, again = root / "data", root / "again"
    for stage in STAGES:
        _run(data, stage, data, small.params())
        stops = _run_with_stops(data, stage, again, small.params())
        assert (stops > 0) == (stage not in TOO_SHORT), (stage, stops)
    return data, again


@pytest.fixture
def data(twice: tuple[Path, Path]) -> Path:
    return twice[0]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_writes_exactly_its_files(data: Path, stage: str) -> None:
    expected, paths = STAGES[stage], _paths(data, stage, data)
    written = {str(p.relative_to(paths.out)) for p in paths.out.rglob("*") if p.is_file()}
    assert written == expected.files | set(expected.tables)
    assert {p.name for p in paths.plots.glob("*")} == expected.plots
    for name, table in expected.tables.items():
        frame = read_table(paths.out / name, table)
        if name == "contamination.parquet":
            assert frame.is_empty()  # without manifests nobody knows what was seen
        elif name == "held_out.parquet":
            assert frame.is_empty()  # only imports are held out
        elif not name.endswith("_rejected.parquet"):
            assert len(frame) > 0, name
        else:
            assert frame["r1_drop"].null_count() == 0
            kept = read_table(paths.out / name.replace("_rejected", ""), expected.tables[name.replace("_rejected", "")])
            # A document or an answer may occur twice; of what was dropped for what it says, nothing may stay.
            assert not set(frame.filter(~pl.col("r1_drop").str.starts_with("duplicate"))["r1_id"]) & set(kept["r1_id"])


@pytest.mark.parametrize("stage", STAGES)
def test_metrics_have_their_keys_and_are_numbers(data: Path, stage: str) -> None:
    metrics = json.loads(_paths(data, stage, data).metrics.read_text())
    assert {name for name in metrics if not name.startswith("dropped_")} == STAGES[stage].metrics
    assert all(isinstance(value, int | float) and value == value for value in metrics.values())


@pytest.mark.parametrize("stage", STAGES)
def test_the_same_stage_again_gives_the_same_bytes(twice: tuple[Path, Path], stage: str) -> None:
    first, second = (_bytes(_paths(twice[0], stage, root)) for root in twice)
    assert sorted(first) == sorted(second) and len(first) > 1
    assert [name for name in first if first[name] != second[name]] == []


# One step, one chunk of samples, or nothing that is committed on the way: these begin again.
TOO_SHORT = {"prompts", "cold_start", "cold_sft", "rejection"}
WITH_ROWS = [s for s, e in STAGES.items() if {"rollouts", "examples"} & {t.name for t in e.tables.values()}]


@pytest.mark.parametrize("stage", WITH_ROWS)
def test_row_ids_are_the_rows_own(data: Path, stage: str) -> None:
    for name, table in STAGES[stage].tables.items():
        frame = read_table(_folder(data, stage) / name, table)
        if not name.endswith("_rejected.parquet"):
            assert [table.row_id(row) for row in frame.iter_rows(named=True)] == frame["r1_id"].to_list()
            assert frame["r1_id"].n_unique() == len(frame)


def test_counts_agree_with_the_tables(data: Path) -> None:
    metrics = json.loads((data / "metrics" / "prompts.json").read_text())
    for split_name in ("train", "validation", "test"):
        wanted = getattr(small.params().prompts, split_name)
        kept = len(read_table(data / "prompts" / f"{split_name}.parquet", TASKS))
        dropped = len(read_table(data / "prompts" / f"{split_name}_rejected.parquet", TASKS.rejected()))
        assert (kept, dropped) == (metrics[f"{split_name}_tasks"], metrics[f"{split_name}_rejected"])
        assert kept + dropped == wanted
    for stage in ("cold_start", "rejection"):
        metrics = json.loads((data / "metrics" / f"{stage}.json").read_text())
        dropped = len(read_table(data / stage / "examples_rejected.parquet", EXAMPLES.rejected()))
        assert metrics["sampled"] == metrics.get("rows", metrics.get("reasoning_rows")) + dropped
        assert sum(v for k, v in metrics.items() if k.startswith("dropped_")) == dropped


# -- held out -------------------------------------------------------------------------------------


@pytest.fixture
def held_out(data: Path) -> pl.DataFrame:
    return pl.concat([read_table(data / "prompts" / f"{n}.parquet", TASKS) for n in ("validation", "test")])


def _keys(frame: pl.DataFrame) -> set[str]:
    return {states[0] for states in frame["states"].to_list()}


def _asked(question: str) -> tuple[str, str] | None:
    found = read(question)
    return found.what if found else None


def test_no_held_out_problem_stands_in_what_is_trained_on(data: Path, held_out: pl.DataFrame) -> None:
    keys = _keys(held_out)
    assert len(keys) == len(held_out) == 12
    train = read_table(data / "prompts" / "train.parquet", TASKS)
    assert keys.isdisjoint(state for states in train["states"].to_list() for state in states)
    corpus = read_table(data / "prompts" / "corpus.parquet", DOCUMENTS)
    assert all(keys.isdisjoint(states_in(text)) for text in corpus["text"])
    for stage in ("cold_start", "rejection"):
        examples = read_table(data / stage / "examples.parquet", EXAMPLES)
        assert all(keys.isdisjoint(states_in(text)) for text in examples["response"])
    for stage in ("zero", "grpo", "align", "student_zero/small"):
        rollouts = read_table(data / stage / "rollouts.parquet", ROLLOUTS).filter(pl.col("masked").is_null())
        assert all(keys.isdisjoint(states_in(text)) for text in rollouts["completion"])


def test_nor_by_an_independent_reader(data: Path, held_out: pl.DataFrame) -> None:
    """The same by what the questions ask, read from their text alone: the keys above could be wrong together."""
    asked = {_asked(prompt) for prompt in held_out["prompt"]}
    assert None not in asked and len(asked) == 12
    train = read_table(data / "prompts" / "train.parquet", TASKS)
    assert asked.isdisjoint(_asked(prompt) for prompt in train["prompt"])
    corpus = read_table(data / "prompts" / "corpus.parquet", DOCUMENTS)
    pages = [text.removeprefix(USER).partition("<|assistant|>")[0] for text in corpus["text"] if text.startswith(USER)]
    read_pages = [_asked(question) for question in pages]
    assert sum(found is not None for found in read_pages) > 500
    assert asked.isdisjoint(read_pages)
    general = {
        name: set(read_table(data / "prompts" / f"{name}.parquet", TASKS)["prompt"])
        for name in ("general", "general_validation", "general_test")
    }
    unseen = general["general_validation"] | general["general_test"]
    assert unseen.isdisjoint(general["general"]) and unseen.isdisjoint(pages)


def test_what_showed_a_held_out_problem_was_dropped_with_that_reason(data: Path) -> None:
    dropped = read_table(data / "prompts" / "corpus_rejected.parquet", DOCUMENTS.rejected())
    assert len(dropped) > 10 and set(dropped["r1_drop"]) == {"held_out_state"}
    train = read_table(data / "prompts" / "train_rejected.parquet", TASKS.rejected())
    assert set(train["r1_drop"].str.split(":").list.first()) <= {"held_out_text", "held_out_state", "held_out_ngram"}


# -- what stands in the rows ----------------------------------------------------------------------


def test_curated_rows_are_right_well_formed_and_in_their_language(data: Path) -> None:
    tasks = {task.id: task for task in tasks_of(read_table(data / "prompts" / "train.parquet", TASKS))}
    for stage, least in (("cold_start", 1.0), ("rejection", 0.5)):
        examples = read_table(data / stage / "examples.parquet", EXAMPLES).filter(pl.col("kind") == "reasoning")
        assert len(examples) > 0
        for row in examples.iter_rows(named=True):
            task = tasks[row["task_id"]]
            assert row["r1_parents"] == [task.id] and row["prompt"] == task.prompt
            assert (
                grade(task, row["response"], finished=True).verdict == "correct" and split(row["response"]).well_formed
            )
            assert consistency(split(row["response"]).thought, task.language) >= least
        per_prompt = examples.group_by("task_id").len()["len"].max()
        assert per_prompt is not None and int(str(per_prompt)) <= (1 if stage == "cold_start" else 2)


def test_alignment_meets_general_prompts_late_and_judges_them_alone(data: Path) -> None:
    rollouts = read_table(data / "align" / "rollouts.parquet", ROLLOUTS)
    by_step = {step: set(part["kind"]) for (step,), part in rollouts.group_by("step")}
    assert by_step[1] == {"reasoning"}
    assert all(kinds & {"helpful", "safety"} and "reasoning" in kinds for step, kinds in by_step.items() if step > 1)
    judged = rollouts.filter(pl.col("preference").is_not_null())
    assert set(judged["kind"]) <= {"helpful", "safety"} and judged["preference"].is_between(0, 1).all()
    assert len(judged) == len(rollouts.filter(pl.col("kind") != "reasoning"))


def test_pairs_are_ordered_by_their_margin_and_labels_hold_both_kinds(data: Path) -> None:
    settings = small.params().reward_model
    assert settings is not None
    pairs = read_table(data / "reward_model" / "pairs.parquet", PAIRS)
    assert len(pairs) <= settings.pairs and (pairs["margin"] > settings.min_margin).all()
    assert (pairs["chosen"] != pairs["rejected"]).all()
    reasons = set(read_table(data / "reward_model" / "pairs_rejected.parquet", PAIRS.rejected())["r1_drop"])
    assert reasons <= {"no_clear_margin", "not_wanted"}
    labels = read_table(data / "reward_model" / "labels.parquet", LABELS)
    assert len(labels) == settings.labels and set(labels["safe"]) == {True, False}
    for kind in ("helpful", "safety"):
        assert load_decoder(data / "reward_model" / kind).score is not None


def test_sft_starts_from_base_and_the_student_keeps_the_tokenizer(data: Path) -> None:
    names = ["tokenizer.json", "tokenizer_config.json"]
    for folder in ("zero", "align", "student/small", "distill/small"):
        for name in names:
            assert (data / folder / "checkpoint" / name).read_bytes() == (
                data / "base" / "checkpoint" / name
            ).read_bytes()
    base, dev3, dev2 = (_weights(data / name / "checkpoint") for name in ("base", "sft", "grpo"))
    assert 0 < float((dev3 - base).abs().sum()) < float((dev3 - dev2).abs().sum())


def _weights(folder: Path) -> Tensor:
    return torch.cat([tensor.flatten() for tensor in load(folder)[0].state_dict().values()])


def test_every_score_names_its_checkpoint_and_counts_its_draws(data: Path) -> None:
    evaluate = small.params().evaluate
    assert evaluate is not None
    frames = {name: read_table(data / "evaluate" / name / "scores.parquet", SCORES) for name in ("base", "align")}
    digests = [frame["r1_gen"].struct.field("checkpoint").unique().to_list() for frame in frames.values()]
    assert [len(d) for d in digests] == [1, 1] and digests[0] != digests[1]
    for name, frame in frames.items():
        ruled = frame.filter(pl.col("kind") == "reasoning")
        assert set(frame["model"]) == {name}
        assert len(ruled) == 6 * evaluate.sampling.draws and len(frame) - len(ruled) == 20 * evaluate.general_draws
        assert ruled["preference"].null_count() == len(ruled)


def test_forgotten_prompts_stand_in_the_sidecars_alone(data: Path, tmp_path: Path) -> None:
    names = ("train", "general", "corpus")
    wanted = {name: pl.read_parquet(data / "prompts" / f"{name}.parquet")["r1_id"][0] for name in names}
    params = small.params()
    assert params.prompts is not None
    paths = _run(
        data, "prompts", tmp_path, replace(params, prompts=replace(params.prompts, forget=list(wanted.values())))
    )
    for name, row_id in wanted.items():
        kept, dropped = (pl.read_parquet(paths.out / f"{name}{end}.parquet") for end in ("", "_rejected"))
        assert row_id not in kept["r1_id"].to_list()
        assert set(dropped.filter(pl.col("r1_id") == row_id)["r1_drop"]) == {"forgotten"}


# -- what can't work ------------------------------------------------------------------------------


def _copy(data: Path, tmp_path: Path, *names: str) -> Path:
    for name in names:
        shutil.copytree(data / name, tmp_path / "data" / name)
    return tmp_path / "data"


def _unlink(name: str) -> Callable[[Path], None]:
    return lambda data: (data / name).unlink()


def _truncate(name: str) -> Callable[[Path], None]:
    def truncate(data: Path) -> None:
        (data / name).write_bytes((data / name).read_bytes()[:-30])

    return truncate


def _empty(name: str, table: Table) -> Callable[[Path], None]:
    return lambda data: write_table(pl.DataFrame(schema=table.schema), data / name, table)


@pytest.mark.parametrize(
    ("stage", "inputs", "spoil", "message", "hint"),
    [
        ("zero", "prompts base", _unlink("prompts/train.parquet"), "is missing", "r1 run prompts"),
        ("zero", "prompts base", _truncate("prompts/validation.parquet"), "cannot be read", "r1 run prompts -f"),
        ("zero", "prompts base", _empty("prompts/train.parquet", TASKS), "no tasks", "r1 run prompts -f"),
        ("zero", "prompts base", _truncate("base/checkpoint/model.safetensors"), "corrupt", "r1 run base -f"),
        ("base", "prompts", _empty("prompts/corpus.parquet", DOCUMENTS), "no documents", "r1 run prompts -f"),
        ("cold_sft", "cold_start base", _empty("cold_start/examples.parquet", EXAMPLES), "has no rows",
         "r1 run cold_start -f"),
        ("sft", "rejection base", _unlink("base/checkpoint/config.json"), "lacks config.json", "r1 run base -f"),
    ],
)  # fmt: skip
def test_a_broken_input_is_the_user_s_to_mend(
    data: Path, tmp_path: Path, stage: str, inputs: str, spoil: Callable[[Path], None], message: str, hint: str
) -> None:
    copied = _copy(data, tmp_path, *inputs.split())
    spoil(copied)
    with pytest.raises(UserError) as caught:
        _run(copied, stage, tmp_path / "out", small.params())
    assert message in caught.value.message and caught.value.hint == hint
    assert not list((tmp_path / "out").rglob("*.safetensors"))


def test_pairs_without_a_clear_margin_are_the_user_s_to_mend(data: Path, tmp_path: Path) -> None:
    settings = small.params().reward_model
    assert settings is not None
    strict = replace(small.params(), reward_model=replace(settings, min_margin=2.0))  # the largest margin there is
    with pytest.raises(UserError, match="no rows to train the helpful reward model on") as caught:
        _run(data, "reward_model", tmp_path / "out", strict)
    assert "min_margin" in caught.value.hint


@pytest.mark.skipif(find_spec("vllm") is not None, reason="vllm is installed")
def test_without_vllm_its_engine_is_refused_with_the_way_to_get_it(data: Path, tmp_path: Path) -> None:
    rollout = small.params().rollout
    assert rollout is not None
    with pytest.raises(UserError, match="rollout.engine is vllm, which is not installed"):
        _run(data, "zero", tmp_path / "out", replace(small.params(), rollout=replace(rollout, engine="vllm")))


def test_an_import_named_but_not_there_is_refused(data: Path, tmp_path: Path) -> None:
    prompts = small.params().prompts
    assert prompts is not None
    with pytest.raises(UserError, match="names 'gsm8k', but data/imports/gsm8k/tasks.parquet is missing") as caught:
        _run(data, "prompts", tmp_path / "out", replace(small.params(), prompts=replace(prompts, imports=["gsm8k"])))
    assert caught.value.hint.startswith("r1 data import")
    with pytest.raises(UserError, match="'exam' is not one of test, validation, train, held_out"):
        _run(
            data, "prompts", tmp_path / "out",
            replace(small.params(), prompts=replace(prompts, imports=["gsm8k"], import_roles={"gsm8k": "exam"})),
        )  # fmt: skip


def test_prompts_too_long_for_the_model_are_left_out_and_told(data: Path, tmp_path: Path) -> None:
    """Imported questions may be longer than a tiny model's positions: the run goes on without them."""
    copied = _copy(data, tmp_path, "prompts", "base")
    path = copied / "prompts" / "train.parquet"
    train = read_table(path, TASKS)
    longer = pl.when(pl.int_range(pl.len()) < 50).then(pl.col("prompt") + " 1" * 60).otherwise(pl.col("prompt"))
    write_table(train.with_columns(longer.alias("prompt")), path, TASKS)
    notes: list[str] = []

    class Notes(Silent):
        def note(self, text: str) -> None:
            notes.append(text)

    paths = _paths(copied, "zero", tmp_path / "out")
    paths.out.mkdir(parents=True)
    paths.metrics.parent.mkdir(parents=True)
    importlib.import_module("stages.zero").main(small.params(), paths, Notes())
    assert notes == [f"50 of {len(train)} prompts are longer than 80 tokens and are left out"]
    rollouts = read_table(paths.out / "rollouts.parquet", ROLLOUTS)
    assert len(rollouts) == 2 * 16 and not rollouts["prompt"].str.contains(" 1 1 1").any()


def _check_stage(data: Path, tmp_path: Path, stage: str, params: Params, **more: str) -> dict[str, float]:
    paths = Paths(data=data, out=tmp_path / "out", metrics=tmp_path / "metrics.json", plots=tmp_path / "plots")
    paths.out.mkdir(exist_ok=True)
    values = {"params": json.dumps(asdict(params)), "checkpoint": "base/checkpoint", "problems": "3", **more}
    try:
        reward_check.main({"stage": stage, **values}, paths, Silent())
    finally:
        found: dict[str, float] = json.loads(paths.metrics.read_text()) if paths.metrics.exists() else {}
    return found


def test_a_reward_is_checked_on_the_stage_s_own_model_before_training(data: Path, tmp_path: Path) -> None:
    params = small.params()
    assert params.zero is not None
    try:
        found = _check_stage(data, tmp_path, "zero", params)
    except UserError:  # so small a model may well be unfit; the figures stand either way
        found = json.loads((tmp_path / "metrics.json").read_text())
    assert found["num_problems"] == 3 and found["group_size"] == params.zero.group_size
    assert sum(v for k, v in found.items() if k.startswith("solved_in")) == 3
    assert {"truncated", "unknown", "zero_variance", "well_formed", "solved"} <= set(found)


def test_a_cap_that_cuts_every_answer_off_is_refused_with_the_param(data: Path, tmp_path: Path) -> None:
    params = small.params()
    assert params.zero is not None
    short = replace(params, zero=replace(params.zero, lengths=[Stretch(from_step=0, max_new_tokens=1)]))
    with pytest.raises(UserError, match="zero is not fit for training: .* cut off at 1 tokens") as caught:
        _check_stage(data, tmp_path, "zero", short)
    assert caught.value.hint == "raise zero.lengths (max_new_tokens)"
    with pytest.raises(UserError, match="sft is no RL stage"):
        _check_stage(data, tmp_path, "sft", params)
