"""Decontamination on real problems: recall of hidden ones by kind, false positives, speed.

    python bench/decontamination.py [FOLDER]

FOLDER holds gsm8k_train.jsonl, gsm8k_test.jsonl and aime24.jsonl (by default the datasets beside the project, where
they are). Held out: GSM8K test and AIME 2024. Every problem of both is planted in each way of tests/curate/plants.py; a
GSM8K training problem that is dropped counts as a false positive, though some of them really are test problems with
other numbers: those that are dropped are printed with --show.
"""

import argparse
import json
import random
import time
from pathlib import Path

import polars as pl

from stages.curate.decontaminate import HeldOut, blame, hold_out, matches
from tests.curate.plants import KINDS

DATASETS = Path(__file__).parents[2] / "shared" / "datasets"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=DATASETS)
    parser.add_argument("--show", action="store_true", help="print the training problems that are dropped")
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        print(f"decontamination: skipped, there is no {arguments.folder.name} folder")
        return
    gsm8k = [row["question"] for row in rows(arguments.folder / "gsm8k_test.jsonl")]
    aime = [row["problem"] for row in rows(arguments.folder / "aime24.jsonl")]
    training = list(rows(arguments.folder / "gsm8k_train.jsonl"))
    tests = {"GSM8K test": gsm8k, "AIME 2024": aime}
    problems = [(name, text) for name, texts in tests.items() for text in texts]
    frame = pl.DataFrame({"r1_id": [f"{i}" for i in range(len(problems))], "prompt": [text for _, text in problems]})
    held_out = hold_out(frame)
    print(f"{'planted':<18}" + "".join(f"{name:>14}" for name in tests))
    for kind, change in KINDS.items():
        rng = random.Random(kind)
        found = [reason is not None for reason in reasons([change(rng, text) for _, text in problems], held_out)]
        shares = [share([f for f, (of, _) in zip(found, problems, strict=True) if of == name]) for name in tests]
        print(f"{kind:<18}" + "".join(f"{value:>14.4f}" for value in shares))
    for what, texts in {
        "questions": [row["question"] for row in training],
        "questions with solutions": [f"{row['question']}\n{row['answer']}" for row in training],
    }.items():
        begin = time.process_time()
        blamed = reasons(texts, held_out)
        speed = sum(map(len, texts)) / 1e6 / (time.process_time() - begin)
        dropped = [(text, reason) for text, reason in zip(texts, blamed, strict=True) if reason]
        print(
            f"GSM8K train {what}: {len(dropped)} of {len(texts)} dropped ({len(dropped) / len(texts):.4%}), {speed:.1f} MB/s"
        )
        for text, reason in dropped if arguments.show else ():
            how, _, item = reason.partition(":")
            print(f"  {how}\n    {text!r}\n    {problems[int(item)][1]!r}")


def rows(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def reasons(texts: list[str], held_out: HeldOut) -> list[str | None]:
    return blame(matches(pl.Series(texts), held_out), held_out, len(texts))


def share(found: list[bool]) -> float:
    return sum(found) / len(found)


if __name__ == "__main__":
    main()
