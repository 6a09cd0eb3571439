"""Import problems (`r1 data import`): a local file or folder, or a Hub data set, into rows of the task pool.

Paper: RL data (B.3.1). GSM8K-style (`question`, worked `answer` ending in `#### 18`) and AIME-style
(`problem`, `answer`) columns are recognised, and code tasks (`prompt`, `code_task`, perhaps `solution`). Nothing is dropped silently: rejected.parquet holds every
row that is left out, with the reason. Decontamination is the `prompts` stage's work.
Reads: the source. Writes: tasks.parquet, rejected.parquet, import.json.
"""

import hashlib
import json
import os
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from stages.contract.errors import UserError
from stages.contract.events import Reporter
from stages.contract.job import Paths, start_tool
from stages.contract.schemas import TASKS, content_id
from stages.contract.tables import write_table
from stages.curate.dedup import deduplicate
from stages.curate.words import normalise
from stages.rewards.code_task import read_task
from stages.rewards.extraction import final_answer
from stages.rewards.language import dominant
from stages.rewards.maths import read
from stages.rewards.scorer import gradable

PROMPT_COLUMNS = ("question", "problem", "prompt")
CODE_COLUMNS = ("code_task", "task")  # a code task as stages/rewards/code_task.py has it, or its JSON
ANSWER_COLUMNS = ("final_answer", "answer", "solution")  # a bare answer goes before a worked one
SUFFIXES = (".jsonl", ".json", ".parquet")
ROLES = ("train", "validation", "test")
HINT = "r1 data import --help"
_CALCULATOR = re.compile(r"<<[^<>]*>>")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.\-]*/[A-Za-z0-9][\w.\-]*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What is imported. `name` becomes the tasks' family and the folder's name; `split` picks files by name."""

    source: str
    name: str
    revision: str = ""
    split: str = ""
    role: str = "train"
    license: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UserError(f"import name {self.name!r} may hold letters, digits, dot, dash and underscore", hint=HINT)
        if self.role not in ROLES:
            raise UserError(f"import role {self.role!r} is not one of {', '.join(ROLES)}", hint=HINT)


@dataclass(frozen=True, kw_only=True)
class Source:
    """The files of a source, and how rows name it. `revision` is a commit, or the SHA-256 of local content."""

    files: list[Path]
    label: str
    revision: str


HubFiles = Callable[[str, str, str, Path], list[Path]]  # id, revision, split, folder -> downloaded files


def main(arguments: Mapping[str, str], paths: Paths, report: Reporter) -> None:
    wanted = Arguments(**arguments)
    source = find(wanted, scratch=paths.metrics.parent / "download", hub_files=hub_files)
    report.phase("rows", total=len(source.files))
    rows: list[dict[str, object]] = []
    for done, path in enumerate(source.files, start=1):
        rows += [task_row(record, wanted=wanted, source=source) for record in records(path)]
        report.step(done)
    tasks, rejected = divide_rows(rows)
    if tasks.is_empty():
        raise UserError(f"{source.label}: none of {len(rows)} rows has a problem and an answer", hint=HINT)
    write_table(tasks, paths.out / "tasks.parquet", TASKS)
    write_table(rejected, paths.out / "rejected.parquet", TASKS.rejected())
    description = {**asdict(wanted), "source": source.label, "revision": source.revision}
    (paths.out / "import.json").write_text(json.dumps(description, indent=1, ensure_ascii=False) + "\n")

    reasons = rejected.get_column("r1_drop").str.split(":").list.first()
    ids = [
        row_id
        for row_id, answer, tests in tasks.select("r1_id", "answer", "tests").iter_rows()
        if not tests and not gradable(answer)
    ]
    if ids:
        report.note(f"{len(ids)} gold answers can't be parsed: {', '.join(ids[:5])}{' ...' if len(ids) > 5 else ''}")
    paths.write_metrics(
        {
            "rows": len(rows),
            "tasks": tasks.height,
            "rejected_empty": int((reasons == "empty").sum()),
            "rejected_no_answer": int((reasons == "no_answer").sum()),
            "rejected_duplicate": int((reasons == "duplicate").sum()),
            "rejected_bad_task": int((reasons == "bad_task").sum()),
            "unparsable_golds": len(ids),
        }
    )


def find(wanted: Arguments, *, scratch: Path, hub_files: HubFiles) -> Source:
    """The files to read: local ones, or those that `hub_files` downloads to `scratch`.

    Raises:
        UserError: nothing local has that name and it is no Hub id with a pinned revision; no file fits.
    """
    local = Path(wanted.source).expanduser()
    if local.exists():
        found = [local] if local.is_file() else sorted(path for path in local.rglob("*") if path.is_file())
        names = {path: path.name if local.is_file() else path.relative_to(local).as_posix() for path in found}
        files = [path for path in found if _wanted_file(names[path], split="" if local.is_file() else wanted.split)]
        if not files:
            raise UserError(f"{wanted.source} holds no {_kinds(wanted.split)}", hint=HINT)
        hashes = {names[path]: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
        revision = next(iter(hashes.values())) if local.is_file() else content_id("folder", [sorted(hashes.items())])
        return Source(files=files, label=f"file:{local.resolve().name}", revision=revision)
    if not _HUB_ID.fullmatch(wanted.source):
        raise UserError(f"{wanted.source} is neither a file or folder here nor a Hub id (owner/name)", hint=HINT)
    if not _COMMIT.fullmatch(wanted.revision):
        raise UserError(
            f"{wanted.source}: a Hub data set needs a pinned revision (40 hex digits), got {wanted.revision!r}",
            hint="copy the commit from the data set's history, then: r1 data import ... --revision COMMIT",
        )
    files = hub_files(wanted.source, wanted.revision, wanted.split, scratch)
    if not files:
        raise UserError(f"{wanted.source} at {wanted.revision[:12]} holds no {_kinds(wanted.split)}", hint=HINT)
    return Source(files=files, label=f"hub:{wanted.source}", revision=wanted.revision)


def hub_files(dataset: str, revision: str, split: str, folder: Path) -> list[Path]:
    """Download a Hub data set's Parquet and JSON files of a split. HF_ENDPOINT names another hub.

    Raises:
        UserError: the hub doesn't answer, or has no such data set or revision.
    """
    # Imported here, for local files don't need what takes half a second to load.
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )
    from huggingface_hub.errors import HTTPError as ConnectionFailed
    # The client's versions use different HTTP libraries; this name is the one in use.

    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    try:
        names = api.list_repo_files(dataset, revision=revision, repo_type="dataset")
        chosen = sorted(name for name in names if _wanted_file(name, split=split))
        return [
            Path(api.hf_hub_download(dataset, name, revision=revision, repo_type="dataset", local_dir=folder))
            for name in chosen
        ]
    except RepositoryNotFoundError as error:
        raise UserError(
            f"the hub has no data set {dataset}, or it is not open to you", hint="hf auth login, if it is a gated one"
        ) from error
    except HfHubHTTPError as error:
        raise UserError(
            f"{dataset} at {revision[:12]}: {_first_line(error)}", hint="check the id and the revision"
        ) from error
    except (ConnectionFailed, LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise UserError(
            f"{dataset} can't be downloaded: {_first_line(error)}", hint="without a network: r1 data import FILE"
        ) from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _wanted_file(name: str, *, split: str) -> bool:
    """Whether a file is data and, if a split is wanted, has it as a word of its path (`main/train-00000.parquet`)."""
    path = Path(name)
    if path.suffix not in SUFFIXES or any(part.startswith(".") for part in path.parts):
        return False
    return not split or split in re.split(r"[^A-Za-z0-9]+", str(path.with_suffix("")))


def _kinds(split: str) -> str:
    return f"{', '.join(SUFFIXES)} file" + (f" of split {split!r}" if split else "")


def records(path: Path) -> Iterator[Mapping[str, object]]:
    """The rows of a file, in its order.

    Raises:
        UserError: the file can't be read as what its name says, naming the line.
    """
    if path.suffix == ".parquet":
        try:
            yield from pl.read_parquet(path).iter_rows(named=True)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise UserError(f"{path.name} cannot be read as Parquet ({_first_line(error)})", hint=HINT) from error
        return
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path.name} is not UTF-8 (byte {error.start})", hint=HINT) from error
    if path.suffix == ".json" and text.lstrip().startswith("["):
        rows = _parse_json(text, f"{path.name}")
        assert isinstance(rows, list)
        numbered = list(enumerate(rows, start=1))
    else:
        # Not splitlines(): JSON strings may hold U+2028 and other marks that it would break lines at.
        lines = enumerate(text.split("\n"), start=1)
        numbered = [(number, _parse_json(line, f"{path.name}:{number}")) for number, line in lines if line.strip()]
    for number, row in numbered:
        if not isinstance(row, dict):
            raise UserError(f"{path.name}:{number} is no JSON object", hint=HINT)
        yield row


def _parse_json(text: str, where: str) -> object:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"{where} is not valid JSON ({_first_line(error)})", hint=HINT) from error


def task_row(record: Mapping[str, object], *, wanted: Arguments, source: Source) -> dict[str, object]:
    """A record as a row of the task pool; prompt or answer are empty where the record has none.

    Raises:
        UserError: the record has no column for them.
    """
    prompt = _clean(_first(record, PROMPT_COLUMNS, source.label))
    tests = code_task(record)
    answer = _text(record.get("solution")) if tests else gold_answer(record, source.label)
    row: dict[str, object] = {
        "r1_parents": [],
        "r1_op": "ingest",
        "kind": "reasoning",
        "family": wanted.name,
        "difficulty": 0,
        "language": dominant(prompt),
        "prompt": prompt,
        "answer": answer,
        "tests": tests,
        "states": [content_id("prompt", [normalise(prompt)])],
        "source": source.label,
        "revision": source.revision,
        "license": wanted.license,
    }
    return {"r1_id": TASKS.row_id(row), **row}


def code_task(record: Mapping[str, object]) -> str:
    """The code task of a record as JSON, or nothing. Its reference program, if it has one, is its `solution`."""
    for column in CODE_COLUMNS:
        value = record.get(column)
        if isinstance(value, str) and value.lstrip().startswith("{"):
            value = _parse_json(value, column)
        if isinstance(value, dict) and "cases" in value:
            return json.dumps({k: v for k, v in value.items() if v is not None}, ensure_ascii=False)
    return ""


def _task_problem(tests: str) -> str:
    """Why a code task can't be graded, or nothing."""
    try:
        read_task(json.loads(tests))
    except ValueError as error:
        return f"bad_task:{_first_line(error)}"
    return ""


def gold_answer(record: Mapping[str, object], label: str) -> str:
    """The final answer of a record: what follows `####`, what the last box holds, or the whole bare answer.

    A `solution` counts by its mark alone, for without one it is a text. Integers are written plainly, without
    separators, leading zeros or `$`; everything else stays as it is.
    """
    values = {column: _text(record[column]) for column in ANSWER_COLUMNS if record.get(column) is not None}
    if not any(column in record for column in ANSWER_COLUMNS):
        raise _lacks(record, ANSWER_COLUMNS, label)
    for column, value in values.items():
        if "####" in value or "\\boxed" in value:
            value = final_answer(value).answer or ""
        elif column == "solution":
            value = ""
        answer = _clean(_CALCULATOR.sub("", value))
        if answer:
            number = read(answer)
            plain = number.number is not None and number.number.denominator == 1 and not (number.unit or number.percent)
            return number.text if plain else answer
    return ""


def _first(record: Mapping[str, object], columns: tuple[str, ...], label: str) -> str:
    """The text of the first of the columns that holds any."""
    present = [column for column in columns if column in record]
    if not present:
        raise _lacks(record, columns, label)
    return next((text for column in present if (text := _text(record[column]).strip())), "")


def _lacks(record: Mapping[str, object], columns: tuple[str, ...], label: str) -> UserError:
    has = ", ".join(map(str, record)) or "nothing"
    return UserError(f"{label} lacks a column {' or '.join(columns)} (has: {has})", hint=HINT)


def _text(value: object) -> str:
    """Strings and numbers as text; anything else (null, lists, objects) is no problem or answer."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _clean(text: str) -> str:
    # Lone surrogates come from JSON escapes and can be neither hashed nor written.
    text = text.encode("utf-8", "replace").decode("utf-8")
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n")).strip()


def divide_rows(rows: list[dict[str, object]]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Tasks, and rejected rows: `empty`, `no_answer`, `bad_task:` and why, and `duplicate:` with the id of the row that
    stayed."""
    whole: list[dict[str, object]] = []
    dropped: list[dict[str, object]] = []
    for row in rows:
        tests = str(row["tests"])
        reason = "empty" if not row["prompt"] else "no_answer" if not (row["answer"] or tests) else ""
        reason = reason or (_task_problem(tests) if tests else "")
        if reason:
            dropped.append({**row, "r1_drop": reason})
        else:
            whole.append(row)
    unique = deduplicate(pl.DataFrame(whole, schema=TASKS.schema))
    duplicates = unique.rejected.with_columns(r1_op=pl.lit("dedup"))
    return unique.kept, pl.concat([pl.DataFrame(dropped, schema=TASKS.rejected().schema), duplicates])


if __name__ == "__main__":
    start_tool(main)
