"""Each preset on a stand-in made here: the same columns and types as the data set's, and none of its text."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
import pytest

from stages.contract.errors import UserError
from stages.contract.events import Silent
from stages.contract.job import Paths
from stages.contract.schemas import GENERAL, TASKS, TRACES
from stages.contract.tables import read_table
from stages.import_data import main
from stages.ingest.presets import PRESETS

Rows = Sequence[Mapping[str, object]]


class Imported:
    """What an import left in its folder."""

    def __init__(self, folder: Path, metrics: Path) -> None:
        self.tasks = read_table(folder / "tasks.parquet", TASKS)
        self.rejected = read_table(folder / "rejected.parquet", TASKS.rejected())
        self.traces = _shards(folder, "traces", pl.DataFrame(schema=TRACES.schema))
        self.traces_rejected = _shards(folder, "traces_rejected", pl.DataFrame(schema=TRACES.rejected().schema))
        self.general = _shards(folder, "general", pl.DataFrame(schema=GENERAL.schema))
        self.general_rejected = _shards(folder, "general_rejected", pl.DataFrame(schema=GENERAL.rejected().schema))
        self.metrics = json.loads(metrics.read_text())
        self.description = json.loads((folder / "import.json").read_text())


def _shards(folder: Path, stem: str, empty: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([empty, *(pl.read_parquet(path) for path in sorted(folder.glob(f"{stem}-0*.parquet")))])


def run(work: Path, source: Path | str, **more: str) -> Imported:
    out = work / "out"
    out.mkdir(parents=True, exist_ok=True)
    paths = Paths(data=work / "data", out=out, metrics=work / "metrics.json", plots=work / "plots")
    main({"source": str(source), "name": "mine", **more}, paths, Silent())
    return Imported(out, paths.metrics)


def parquet(tmp_path: Path, rows: Rows) -> Path:
    path = tmp_path / "train-00000-of-00001.parquet"
    pl.DataFrame(list(rows), infer_schema_length=None).write_parquet(path)
    return path


def test_openr1_math(tmp_path: Path) -> None:
    base: dict[str, object] = {
        "solution": "Adding gives \\boxed{8}.", "problem_type": "Algebra", "question_type": "math-word-problem",
        "source": "olympiads", "uuid": "u", "correctness_count": 1, "correctness_llama": None,
        "messages": [{"content": "x", "role": "user"}, {"content": "y", "role": "assistant"}],
    }  # fmt: skip
    rows = [
        {
            **base, "problem": "Ann has 5 and gets 3.", "answer": "8",
            "generations": ["<think>\n5+3\n</think>\n\n\\boxed{8}", "<think>5-3</think>2", "<think>5+"],
            "is_reasoning_complete": [True, True, False], "correctness_math_verify": [True, False, True],
            "finish_reasons": ["stop", "stop", "length"],
        },
        {
            **base, "problem": "Show that it is so.", "answer": "proof", "generations": ["<think>a</think>b"],
            "is_reasoning_complete": [True], "correctness_math_verify": [False], "correctness_llama": [True],
            "finish_reasons": ["stop"],
        },
        {
            **base, "problem": "Bob has 2.", "answer": "2", "generations": ["<think>2</think>2", "<think>2</think>2"],
            "is_reasoning_complete": [True, True], "correctness_math_verify": None, "finish_reasons": None,
        },
    ]  # fmt: skip
    found = run(tmp_path, parquet(tmp_path, rows), license="Apache-2.0")
    assert found.description["preset"] == "openr1-math"
    assert found.tasks.select("prompt", "answer").rows() == [("Ann has 5 and gets 3.", "8"), ("Bob has 2.", "2")]
    assert found.rejected.select("prompt", "r1_drop").rows() == [("Show that it is so.", "proof")]
    ids = found.tasks["r1_id"].to_list()
    assert found.traces.select("verdict", "reason", "answer").rows() == [
        ("correct", "correct", "8"),
        ("wrong", "wrong", "8"),
        ("wrong", "truncated", "8"),
        ("correct", "correct", ""),  # the Llama said so; a proof has no gold
        ("unknown", "unchecked", "2"),
    ]
    assert found.traces["task_id"].to_list()[:3] == [ids[0]] * 3 and found.traces["task_id"][4] == ids[1]
    assert found.traces["response"][0] == "<think>\n5+3\n</think>\n\n\\boxed{8}"
    assert set(found.traces["source"]) == {"file:train-00000-of-00001.parquet#olympiads"}
    assert set(found.traces["license"]) == {"Apache-2.0"}
    (drop,) = found.traces_rejected["r1_drop"]
    assert drop == f"duplicate:{found.traces['r1_id'][4]}"
    assert found.traces["r1_id"].to_list() == TRACES.row_ids(found.traces)
    assert (found.metrics["rows"], found.metrics["traces"], found.metrics["traces_rejected_duplicate"]) == (3, 5, 1)


def test_mixture_of_thoughts(tmp_path: Path) -> None:
    rows = [
        {
            "messages": [{"content": "2+3?", "role": "user"}, {"content": "<think>two</think>5", "role": "assistant"}],
            "num_tokens": 12,
            "source": "open-r1/OpenR1-Math-220k",
        }
    ]
    found = run(tmp_path, parquet(tmp_path, rows))
    assert found.description["preset"] == "mixture-of-thoughts"
    assert found.tasks.is_empty() and found.rejected.is_empty()
    (trace,) = found.traces.to_dicts()
    assert (trace["prompt"], trace["response"], trace["num_tokens"]) == ("2+3?", "<think>two</think>5", 12)
    assert (trace["verdict"], trace["reason"], trace["answer"]) == ("unknown", "unchecked", "")
    assert trace["source"].endswith("#open-r1/OpenR1-Math-220k") and trace["r1_id"] == TRACES.row_id(trace)


def test_numinamath_cot(tmp_path: Path) -> None:
    chat = [{"content": "p", "role": "user"}, {"content": "s", "role": "assistant"}]
    rows = [
        {"source": "cn_k12", "problem": "What is $2+2$?", "solution": "So $\\boxed{4}$.", "messages": chat},
        {"source": "olympiads", "problem": "Prove it.", "solution": "It is so.", "messages": chat},
    ]
    found = run(tmp_path, parquet(tmp_path, rows))
    assert found.description["preset"] == "numinamath-cot"
    assert found.tasks.select("prompt", "answer", "source").rows() == [
        ("What is $2+2$?", "4", "file:train-00000-of-00001.parquet#cn_k12")
    ]
    assert found.rejected["r1_drop"].to_list() == ["no_answer"] and found.traces.is_empty()


def test_numinamath_15(tmp_path: Path) -> None:
    base = {
        "solution": "s", "problem_type": "Algebra", "question_type": "math-word-problem", "problem_is_valid": "Yes",
        "solution_is_valid": "Yes", "source": "aops", "synthetic": False,
    }  # fmt: skip
    rows = [
        {**base, "problem": "a", "answer": "\\frac{1}{2}"},
        {**base, "problem": "b", "answer": "proof"},
        {**base, "problem": "c", "answer": "notfound"},
        {**base, "problem": "d", "answer": "4", "problem_is_valid": "Incomplete"},
        {**base, "problem": "e", "answer": "4", "solution_is_valid": "Problem not solved"},
        {**base, "problem": "f", "answer": None},
    ]
    found = run(tmp_path, parquet(tmp_path, rows))
    assert found.description["preset"] == "numinamath-1.5"
    assert found.tasks.select("prompt", "answer").rows() == [("a", "\\frac{1}{2}")]
    assert found.rejected["r1_drop"].to_list() == [
        "proof", "no_answer", "problem_is_valid:Incomplete", "solution_is_valid:Problem not solved", "no_answer",
    ]  # fmt: skip
    assert found.metrics["rejected_problem_is_valid"] == 1


def test_gsm8k(tmp_path: Path) -> None:
    rows = [{"question": "Ann has 5 and gets 3.", "answer": "5+3=<<5+3=8>>8\n#### 8"}]
    found = run(tmp_path, parquet(tmp_path, rows))
    assert found.description["preset"] == "gsm8k" and found.tasks["answer"].to_list() == ["8"]


def test_math_as_a_folder_of_single_objects(tmp_path: Path) -> None:
    """The original release: one pretty-printed object a file."""
    for place, (level, solution) in enumerate(
        [("Level 5", "so $\\boxed{\\dfrac{1}{3}}$"), ("Level ?", "so \\boxed{2}")]
    ):
        path = tmp_path / "set" / "train" / "algebra" / f"{place}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        row = {"problem": f"p{place}", "level": level, "type": "Algebra", "solution": solution}
        path.write_text(json.dumps(row, indent=4))
    found = run(tmp_path, tmp_path / "set", split="train")
    assert found.description["preset"] == "math"
    assert found.tasks.select("answer", "difficulty").rows() == [("\\dfrac{1}{3}", 5), ("2", 0)]


def test_math_500(tmp_path: Path) -> None:
    rows = [
        {"problem": "p", "solution": "\\boxed{3}", "answer": "3", "subject": "Algebra", "level": 4, "unique_id": "u"}
    ]
    found = run(tmp_path, parquet(tmp_path, rows))
    assert found.tasks.select("answer", "difficulty").rows() == [("3", 4)]


@pytest.mark.parametrize(
    ("row", "prompt", "response"),
    [
        ({"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]}, "q", "a"),
        ({"system": "s", "conversations": [{"from": "user", "value": "q"}, {"from": "assistant", "value": "<|begin_of_thought|>\n\nt\n\n<|end_of_thought|>\n\n<|begin_of_solution|>\n\na\n\n<|end_of_solution|>"}]}, "q", "<think>\n\nt\n\n</think>\na"),
        ({"conversations": [{"from": "system", "value": "s"}, {"from": "human", "value": "q"}, {"from": "gpt", "value": "t</think>a"}]}, "q", "<think>t</think>a"),
        ({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "reasoning_content": "t", "content": "a"}]}, "q", "<think>t</think>a"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]}, {"role": "assistant", "content": "a"}]}, "q", "a"),
        ({"prompt": "q", "completion": "a"}, "q", "a"),
        ({"prompt": [{"role": "user", "content": "q"}], "completion": [{"role": "assistant", "content": "a"}]}, "q", "a"),
        ({"instruction": "q", "input": "x", "output": "a"}, "q\n\nx", "a"),
        ({"question": "q", "reasoning": "t", "response": "a"}, "q", "<think>t</think>a"),
    ],
)  # fmt: skip
def test_shapes_of_conversations(tmp_path: Path, row: Mapping[str, object], prompt: str, response: str) -> None:
    source = tmp_path / "rows.jsonl"
    source.write_text(json.dumps(row) + "\n")
    found = run(tmp_path, source)
    assert found.traces.select("prompt", "response").rows() == [(prompt, response)]
    assert found.tasks.is_empty() and found.rejected.is_empty()


def test_a_completion_with_an_answer_is_a_task_too(tmp_path: Path) -> None:
    source = tmp_path / "rows.csv"
    pl.DataFrame({"prompt": ["2+3?", "3+3?"], "completion": ["<think>x</think>5", ""], "answer": ["5", "6"]}).write_csv(
        source
    )
    found = run(tmp_path, source)
    assert found.description["preset"] == "completion"
    assert found.tasks["answer"].to_list() == ["5", "6"]
    assert found.traces.select("answer", "task_id").rows() == [("5", found.tasks["r1_id"][0])]


def test_conversations_that_are_no_question_and_response_are_told(tmp_path: Path) -> None:
    user, robot = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}
    rows = [{"messages": m} for m in ([user, robot], [user, robot, user, robot], [user], [], None, [robot, user])]
    rows.append({"messages": [user, {"role": "assistant", "content": ""}]})
    rows.append({"messages": [{"role": "user", "content": " "}, robot]})
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = run(tmp_path, source)
    assert found.traces.height == 1
    assert found.traces_rejected["r1_drop"].to_list() == [
        "no_single_turn:user assistant user assistant", "no_single_turn:user", "no_single_turn:none",
        "no_single_turn:none", "no_single_turn:assistant user", "no_response", "empty",
    ]  # fmt: skip
    assert found.metrics["traces_rejected_no_single_turn"] == 5


def test_other_peoples_column_names(tmp_path: Path) -> None:
    source = tmp_path / "rows.jsonl"
    source.write_text(json.dumps({"query": "q", "gold": "5"}) + "\n")
    found = run(tmp_path, source, columns="prompt=query,answer=gold")
    assert found.tasks.select("prompt", "answer").rows() == [("q", "5")]
    with pytest.raises(UserError, match="lacks a column .*has: query, gold") as caught:
        run(tmp_path / "w", source)
    assert "--column" in caught.value.hint
    with pytest.raises(UserError, match="import column 'x' is not one of prompt"):
        run(tmp_path / "v", source, columns="x=query")


def test_a_preset_can_be_named(tmp_path: Path) -> None:
    chat = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    source = parquet(tmp_path, [{"problem": "p", "solution": "\\boxed{1}", "source": "x", "messages": chat}])
    assert run(tmp_path / "a", source).traces.is_empty()
    assert run(tmp_path / "b", source, preset="chat").traces["prompt"].to_list() == ["q"]
    with pytest.raises(UserError, match="'nonsense' is not one of auto, openr1-math"):
        run(tmp_path / "c", source, preset="nonsense")
    with pytest.raises(UserError, match="preset gsm8k: the rows lack answer, question"):
        run(tmp_path / "d", source, preset="gsm8k")


def test_shards_and_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.ingest.shards.Shards.__init__.__kwdefaults__", {"rows": 3}, raising=False)
    rows = [{"prompt": f"q{n}", "completion": "a"} for n in range(8)]
    found = run(tmp_path, parquet(tmp_path, rows))
    assert found.traces["prompt"].to_list() == [f"q{n}" for n in range(8)]
    assert [len(pl.read_parquet(path)) for path in sorted((tmp_path / "out").glob("traces-*"))] == [3, 3, 2]


def test_importing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    rows = [{"prompt": f"q{n}", "completion": "a", "answer": "5"} for n in range(8)]
    for work in ("a", "b"):
        run(tmp_path / work, parquet(tmp_path, rows))
    files = sorted(path.name for path in (tmp_path / "a" / "out").iterdir())
    assert files == ["import.json", "rejected.parquet", "tasks.parquet", "traces-00000.parquet"]
    for name in files:
        assert (tmp_path / "a" / "out" / name).read_bytes() == (tmp_path / "b" / "out" / name).read_bytes()


def test_presets_are_told_apart() -> None:
    """No preset is hidden behind an earlier one with fewer columns."""
    for place, one in enumerate(PRESETS):
        if one.columns:
            assert not [other.name for other in PRESETS[:place] if other.columns and other.columns <= one.columns]


def test_help_and_docs_name_every_preset(capsys: pytest.CaptureFixture[str]) -> None:
    from r1cli.app import main as r1

    with pytest.raises(SystemExit):
        r1(["data", "import", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    docs = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    for one in PRESETS:
        assert one.name in shown.replace("- ", "-") and f"`{one.name}`" in docs
