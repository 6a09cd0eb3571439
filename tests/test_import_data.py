"""Import: GSM8K- and AIME-style rows, files of every kind, bad input, and a Hub that answers on this machine."""

import hashlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import polars as pl
import pytest

from stages.contract.errors import UserError
from stages.contract.events import Silent
from stages.contract.job import FAILED, Paths
from stages.contract.schemas import TASKS
from stages.contract.tables import read_table
from stages.contract.task import tasks_of
from stages.import_data import main
from stages.ingest.files import Wanted, download
from stages.ingest.records import records
from stages.reward_check import main as check

DATASETS = Path(__file__).parents[2] / "shared" / "datasets"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
GSM = [
    {"question": "Ann has 5 eggs and buys 3. How many?", "answer": "5+3 = <<5+3=8>>8 eggs\n#### 8"},
    {"question": "A house costs $80,000. How much?", "answer": "#### 80,000"},
    {"question": "ann has 5  eggs and buys 3. how many?", "answer": "#### 8"},
    {"question": " ", "answer": "#### 1"},
    {"question": "No mark?", "answer": "#### "},
]


def paths(work: Path) -> Paths:
    out = work / "out"
    out.mkdir(parents=True, exist_ok=True)
    return Paths(data=work / "data", out=out, metrics=work / "metrics.json", plots=work / "plots")


def write_jsonl(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def run(work: Path, source: Path | str, **more: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    where = paths(work)
    main({"source": str(source), "name": "demo", **more}, where, Silent())
    return read_table(where.out / "tasks.parquet", TASKS), read_table(where.out / "rejected.parquet", TASKS.rejected())


def test_gsm8k_style(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "gsm.jsonl", GSM)
    tasks, rejected = run(tmp_path / "w", source, license="MIT", role="test")
    assert tasks.select("prompt", "answer").rows() == [
        ("Ann has 5 eggs and buys 3. How many?", "8"),
        ("A house costs $80,000. How much?", "80000"),
    ]
    first = tasks.row(0, named=True)
    assert (first["kind"], first["family"], first["difficulty"], first["language"]) == ("reasoning", "demo", 0, "en")
    assert (first["source"], first["license"], len(first["states"])) == ("file:gsm.jsonl", "MIT", 1)
    assert first["revision"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert first["r1_id"] == TASKS.row_id(first)
    assert rejected.get_column("r1_drop").to_list() == ["empty", "no_answer", f"duplicate:{first['r1_id']}"]
    metrics = json.loads((tmp_path / "w" / "metrics.json").read_text())
    assert (metrics["rows"], metrics["tasks"], metrics["rejected_duplicate"], metrics["unparsable_golds"]) == (
        5,
        2,
        1,
        0,
    )
    assert json.loads((tmp_path / "w" / "out" / "import.json").read_text())["role"] == "test"


@pytest.mark.parametrize(
    ("record", "prompt", "answer"),
    [
        ({"problem": "p", "answer": "025", "solution": "so \\boxed{26}"}, "p", "25"),
        ({"problem": "p", "solution": "so \\boxed{\\frac{1}{2}}"}, "p", "\\frac{1}{2}"),
        ({"prompt": "p", "final_answer": 204, "answer": "long text"}, "p", "204"),
        ({"question": "", "problem": "p", "answer": 5.0}, "p", "5"),
        ({"question": "p", "answer": 0.5}, "p", "0.5"),
        ({"question": "p\r\nq", "answer": "  x + 1 "}, "p\nq", "x + 1"),
        ({"question": "p", "answer": "$1,234"}, "p", "1234"),
        ({"question": "p", "answer": "50%"}, "p", "50%"),
        ({"question": "p", "answer": "12\\text{ cm}"}, "p", "12\\text{ cm}"),
        ({"question": "p", "answer": "#### ", "solution": "#### 7"}, "p", "7"),
        ({"question": "bad \ud800", "answer": "7"}, "bad ?", "7"),
    ],
)
def test_columns_and_answers(tmp_path: Path, record: dict[str, object], prompt: str, answer: str) -> None:
    source = tmp_path / "rows.json"
    source.write_text(json.dumps([record]))
    tasks, _ = run(tmp_path / "w", source)
    assert tasks.select("prompt", "answer").row(0) == (prompt, answer)


@pytest.mark.parametrize("answer", [None, "", " ", [], {"a": 1}, True])
def test_rows_without_an_answer_are_rejected(tmp_path: Path, answer: object) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", [{"question": "p", "answer": answer}, {"question": "q", "answer": "1"}])
    tasks, rejected = run(tmp_path / "w", source)
    assert tasks.height == 1 and rejected.get_column("r1_drop").to_list() == ["no_answer"]


def test_a_solution_without_a_mark_is_no_answer(tmp_path: Path) -> None:
    source = write_jsonl(
        tmp_path / "a.jsonl", [{"problem": "p", "solution": "it is 5"}, {"problem": "q", "solution": "#### 5"}]
    )
    assert run(tmp_path / "w", source)[1].get_column("r1_drop").to_list() == ["no_answer"]


def test_golds_that_cannot_be_parsed_are_kept_and_counted(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", [{"problem": "p", "answer": "{5"}, {"problem": "q", "answer": "x+1"}])
    assert run(tmp_path / "w", source)[0].height == 2
    metrics = json.loads((tmp_path / "w" / "metrics.json").read_text())
    assert metrics["unparsable_golds"] == 1


def test_chinese_is_detected(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", [{"question": "小明有 5 个苹果,一共多少?", "answer": "5"}])
    assert run(tmp_path / "w", source)[0].get_column("language").to_list() == ["zh"]


def test_folder_of_all_kinds_with_a_split(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    write_jsonl(folder / "main" / "train-0.jsonl", [{"question": "a", "answer": "1"}])
    pl.DataFrame({"question": ["b"], "answer": ["2"]}).write_parquet(folder / "train.parquet")
    (folder / "train.json").write_text('[{"question": "c", "answer": 3}]')
    write_jsonl(folder / "test.jsonl", [{"question": "d", "answer": "4"}])
    (folder / "README.md").write_text("train")
    assert sorted(run(tmp_path / "w", folder, split="train")[0].get_column("prompt")) == ["a", "b", "c"]
    assert run(tmp_path / "v", folder)[0].height == 4
    with pytest.raises(UserError, match="'validation'"):
        run(tmp_path / "u", folder, split="validation")


def test_importing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "gsm.jsonl", GSM)
    for work in ("a", "b"):
        run(tmp_path / work, source)
    for name in ("tasks.parquet", "rejected.parquet", "import.json"):
        assert (tmp_path / "a" / "out" / name).read_bytes() == (tmp_path / "b" / "out" / name).read_bytes()


def test_json_lines_may_hold_line_separators(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "a.jsonl", [{"question": "a\u2028b", "answer": "1"}])
    assert [record["question"] for record in records(source)] == ["a\u2028b"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"question": "a", "answer": "1"}\n{"question": \n', "a.jsonl:2 is not valid JSON"),
        ("a.jsonl", b'["a", "1"]\n', "a.jsonl:1 is no JSON object"),
        ("a.json", b'[{"question": "a", "answer": "1"}, 5]', "a.json:2 is no JSON object"),
        (
            "a.jsonl",
            b'{"text": "a", "answer": "1"}\n',
            r"lacks a column question or problem or prompt or instruction \(has: text, answer\)",
        ),
        ("a.jsonl", b'{"question": "a", "label": "1"}\n', "lacks a column final_answer or answer or solution"),
        ("a.jsonl", b"\xff\xfe", "not UTF-8"),
        ("a.jsonl", b"", "none of 0 rows"),
        ("a.jsonl", b'{"question": "", "answer": "1"}\n', "none of 1 rows"),
        ("a.parquet", b"PAR1", "cannot be read as Parquet"),
        ("a.txt", b"question,answer\n", "holds no .jsonl, .json, .parquet, .csv file"),
        ("a.csv", b"question,answer\n", "none of 0 rows"),
        ("a.csv", b"question,answer\n1,2,3\n", "cannot be read as CSV"),
        ("a.json", b"[" * 100_000, "not valid JSON"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    source = tmp_path / name
    source.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        run(tmp_path / "w", source)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"source": "nowhere.jsonl"}, "neither a file or folder here nor a Hub id"),
        ({"source": "owner/set"}, "pinned revision"),
        ({"source": "owner/set", "revision": "main"}, "got 'main'"),
        ({"source": "x", "name": "../up"}, "import name"),
        ({"source": "x", "role": "dev"}, "'dev' is not one of train, validation, test"),
    ],
)
def test_bad_arguments_fail_before_any_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, str], message: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(UserError, match=message):
        main({"name": "demo", **arguments}, paths(tmp_path), Silent())


# A stand-in for the Hub: two files of one data set at one commit.
FILES = {
    "README.md": b"# a set",
    "main/train-00000.jsonl": b'{"question": "a", "answer": "#### 1"}\n',
    "main/test-00000.jsonl": b'{"question": "b", "answer": "#### 2"}\n',
}


class HubStandIn(BaseHTTPRequestHandler):
    """The few answers of the Hub's API that a pinned download asks for."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = self.path.partition("?")[0]
        known = [
            f"/api/datasets/owner/set{rest}"
            for rest in ("", "/revision/main", f"/revision/{COMMIT}", f"/tree/{COMMIT}")
        ]
        if path in known:
            entries = [
                {"type": "file", "path": n, "size": len(c), "oid": hashlib.sha1(c).hexdigest()}
                for n, c in FILES.items()
            ]
            info = {"id": "owner/set", "sha": COMMIT, "siblings": [{"rfilename": name} for name in FILES]}
            content = json.dumps(entries if "/tree/" in path else info).encode()
            self._send(200, content, {"Content-Type": "application/json"}, body=body)
        elif path.startswith(f"/datasets/owner/set/resolve/{COMMIT}/") and (name := path.split("/", 6)[-1]) in FILES:
            content = FILES[name]
            self._send(
                200, content, {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": COMMIT}, body=body
            )
        else:
            code = "RevisionNotFound" if "/owner/set/" in path else "RepoNotFound"
            self._send(404, b"{}", {"X-Error-Code": code, "Content-Type": "application/json"}, body=body)

    def _send(self, status: int, content: bytes, headers: dict[str, str], *, body: bool) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), HubStandIn)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield endpoint
    server.shutdown()
    server.server_close()


def test_hub_data_set_at_a_pinned_revision(hub: str, tmp_path: Path) -> None:
    tasks, _ = run(tmp_path, "owner/set", revision=COMMIT, split="train")
    assert tasks.select("prompt", "answer", "source", "revision").rows() == [("a", "1", "hub:owner/set", COMMIT)]


@pytest.mark.parametrize(
    ("dataset", "revision", "split", "message"),
    [
        ("owner/other", COMMIT, "", "no data set owner/other"),
        ("owner/set", COMMIT[::-1], "", "owner/set at 765432"),
        ("owner/set", COMMIT, "validation", "holds no .* of split 'validation'"),
    ],
)
def test_what_the_hub_lacks_is_named(
    hub: str, tmp_path: Path, dataset: str, revision: str, split: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        run(tmp_path, dataset, revision=revision, split=split)


def test_no_hub_at_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # the client waits between its retries
    with pytest.raises(UserError, match="can't be downloaded"):
        download(Wanted(source="owner/set", revision=COMMIT), tmp_path)


# The reward check, on what was imported.


def imported(tmp_path: Path, rows: Sequence[Mapping[str, object]]) -> Paths:
    where = paths(tmp_path)
    source = write_jsonl(tmp_path / "rows.jsonl", rows)
    folder = where.data / "imports" / "demo"
    folder.mkdir(parents=True)
    into = Paths(data=where.data, out=folder, metrics=tmp_path / "m.json", plots=where.plots)
    main({"source": str(source), "name": "demo"}, into, Silent())
    return where


def test_check_passes_sound_golds_of_every_kind(tmp_path: Path) -> None:
    golds = ["0", "9", "-3", "0.5", "1/2", "10%", "left", "x+1"]
    where = imported(tmp_path, [{"question": f"q{i}", "answer": gold} for i, gold in enumerate(golds)])
    check({"data": "demo"}, where, Silent())
    metrics = json.loads(where.metrics.read_text())
    assert (metrics["tasks"], metrics["gold_reward"]) == (8, 1.0)
    # Four of each number, three of zero, two of the word.
    assert (metrics["altered"], metrics["altered_rewarded"]) == (29, 0)


def test_code_tasks_are_imported_checked_and_run(tmp_path: Path) -> None:
    task = {"type": "stdin", "cases": [{"input": "3", "output": "16"}]}
    rows = [
        {"prompt": "print 16", "code_task": task, "solution": "print(16)"},
        {"prompt": "as JSON", "code_task": json.dumps(task)},
        {"prompt": "no cases", "code_task": {"type": "stdin", "cases": []}},
    ]
    where = imported(tmp_path, rows)
    folder = where.data / "imports" / "demo"
    tasks = tasks_of(read_table(folder / "tasks.parquet", TASKS))
    assert [json.loads(one.code) for one in tasks] == [task, task] and [one.tests for one in tasks] == [(), ()]
    (reason,) = read_table(folder / "rejected.parquet", TASKS.rejected()).get_column("r1_drop")
    assert reason.startswith("bad_task:") and "cases" in reason
    check({"data": "demo"}, where, Silent())
    metrics = json.loads(where.metrics.read_text())
    # Nothing printed, a part of the output, and more than it; without a reference program the first two.
    assert (metrics["gold_reward"], metrics["altered"], metrics["altered_rewarded"]) == (1.0, 5, 0)


def test_check_names_the_golds_that_fail(tmp_path: Path) -> None:
    where = imported(tmp_path, [{"question": "a", "answer": "5"}, {"question": "b", "answer": "{5"}])
    bad = read_table(where.data / "imports" / "demo" / "tasks.parquet", TASKS).get_column("r1_id")[1]
    with pytest.raises(UserError, match=rf"1 of 2 gold .* no reward: {bad} \('{{5': unknown:unparsable_gold\)"):
        check({"data": "demo"}, where, Silent())
    assert json.loads((where.out / "check.json").read_text())["gold_failed"][0]["id"] == bad


def test_check_catches_a_reward_that_pays_for_wrong_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where = imported(tmp_path, [{"question": "a", "answer": "5"}])
    from stages import reward_check

    honest = reward_check.grade_answer
    monkeypatch.setattr(reward_check, "grade_answer", lambda task, answer: honest(task, task.answer))
    with pytest.raises(UserError, match="4 wrong answers are rewarded"):
        check({"data": "demo"}, where, Silent())


def test_check_without_data(tmp_path: Path) -> None:
    where = imported(tmp_path, [{"question": "a", "answer": "5"}])
    with pytest.raises(UserError, match=r"no import is named 'other' \(there are: demo\)"):
        check({"data": "other"}, where, Silent())
    with pytest.raises(UserError, match="no task tables"):
        check({"data": ""}, where, Silent())


def test_tools_run_as_processes(tmp_path: Path) -> None:
    source = write_jsonl(tmp_path / "rows.jsonl", [{"question": "a", "answer": "{5"}])
    work = tmp_path / "import"
    work.mkdir()
    job = {"data": str(tmp_path / "data"), "item": "", "arguments": {"source": str(source), "name": "demo"}}
    (work / "job.json").write_text(json.dumps(job))
    assert subprocess.run([sys.executable, "-m", "stages.import_data", str(work)], check=False).returncode == 0
    assert json.loads((work / "result.json").read_text()) == {"ok": True}
    (tmp_path / "data" / "imports").mkdir(parents=True)
    (work / "out").rename(tmp_path / "data" / "imports" / "demo")
    (work / "job.json").write_text(json.dumps({**job, "arguments": {"data": "demo"}}))
    assert subprocess.run([sys.executable, "-m", "stages.reward_check", str(work)], check=False).returncode == FAILED
    result = json.loads((work / "result.json").read_text())
    assert not result["ok"] and "earn no reward" in result["error"] and result["hint"] and "traceback" not in result


@pytest.mark.parametrize(("name", "rows"), [("gsm8k_train", 7473), ("gsm8k_test", 1319), ("aime24", 30)])
def test_real_sets_import_and_pass_the_check(tmp_path: Path, name: str, rows: int) -> None:
    source = DATASETS / f"{name}.jsonl"
    if not source.exists():
        pytest.skip(f"{source.name} is absent: real problems are not part of the project")
    where = paths(tmp_path)
    folder = where.data / "imports" / name
    folder.mkdir(parents=True)
    into = Paths(data=where.data, out=folder, metrics=where.metrics, plots=where.plots)
    main({"source": str(source), "name": name}, into, Silent())
    metrics = json.loads(where.metrics.read_text())
    assert (metrics["rows"], metrics["tasks"], metrics["unparsable_golds"]) == (rows, rows, 0)
    check({"data": name}, where, Silent())
    metrics = json.loads(where.metrics.read_text())
    assert (metrics["gold_reward"], metrics["altered_rewarded"]) == (1.0, 0)
