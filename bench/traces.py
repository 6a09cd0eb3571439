"""Synthetic reasoning traces for bench/curation.py: lengths, domains and faults as a real set has them.

Lengths are log-normal (a standard deviation of 0.8 in the logarithm, about 2.8 KB on average), domains have Table 5's
shares. Of 100 rows about 8 are wrong, 5 equal another's text, 5 are another's with a word in a hundred changed, and 8 have
one of the other faults. A text is drawn from 60,000 paragraphs of made-up words and numbers.
"""

import random
from functools import cache
from hashlib import blake2b
from multiprocessing import get_context
from pathlib import Path

import polars as pl

from stages.contract.schemas import EXAMPLES
from stages.curate.recipe import GRADED

DOMAINS = {"math": 0.491, "code": 0.262, "stem": 0.013, "logic": 0.013, "general": 0.221}
FILE_ROWS = 16_384
PARAGRAPHS = 60_000
_LETTERS = "etaoinshrdlucmfwygpbvk"
_PARAGRAPH = 430  # characters on average


def write(folder: Path, rows: int) -> int:
    """Write traces as Parquet files of 16,384 rows, those that are missing. Returns the bytes of text. The first rows of
    a larger set are the smaller set."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [(folder, begin, min(FILE_ROWS, rows - begin)) for begin in range(0, rows, FILE_ROWS)]
    with get_context("spawn").Pool(2) as pool:
        return sum(pool.imap(_write, files))


def benchmark(count: int = 1000) -> pl.DataFrame:
    """Held-out problems."""
    rng = random.Random("benchmark")
    prompts = [f"{_paragraph(rng)} How many are left in the end?" for _ in range(count)]
    ids = [f"{i:032x}" for i in range(count)]
    return pl.DataFrame({"r1_id": ids, "prompt": prompts, "solution": [False] * count})


def _write(file: tuple[Path, int, int]) -> int:
    folder, begin, count = file
    path = folder / f"traces-{begin // FILE_ROWS:05}.parquet"
    if not path.exists() or pl.scan_parquet(path).select(pl.len()).collect().item() != count:
        _frame(random.Random(begin), begin, count).write_parquet(path, compression="zstd", row_group_size=4096)
    sizes = pl.scan_parquet(path).select(pl.col("prompt", "response").str.len_bytes().sum()).collect()
    return int(sizes.sum_horizontal().item())


@cache
def _words() -> tuple[list[str], list[float]]:
    rng = random.Random("words")
    weights = [1 / (place + 3) for place in range(6000)]
    return ["".join(rng.choices(_LETTERS, k=rng.randint(2, 9))) for _ in weights], weights


def _paragraph(rng: random.Random) -> str:
    words, weights = _words()
    chosen = rng.choices(words, weights, k=rng.randint(50, 90))
    for place in range(rng.randint(3, 9), len(chosen), 9):
        number = rng.randint(2, 5000)
        chosen[place] = rng.choice((f"{number},", f"${number}$", rf"$\frac{{x}}{{{number}}}$", f"{number}."))
    return " ".join(chosen).capitalize()


@cache
def _bank() -> tuple[list[str], list[str]]:
    rng = random.Random("bank")
    return [_paragraph(rng) for _ in range(PARAGRAPHS)], benchmark()["prompt"].to_list()


def _frame(rng: random.Random, begin: int, count: int) -> pl.DataFrame:
    domains, shares = list(DOMAINS), list(DOMAINS.values())
    rows: list[tuple[str, str, str, str, float]] = []
    for _ in range(count):
        fault = rng.random()
        if rows and fault < 0.10:
            prompt, response, domain, verdict, language = rng.choice(rows)
            rows.append((prompt, _changed(rng, response) if fault < 0.05 else response, domain, verdict, language))
        else:
            rows.append(_row(rng, rng.choices(domains, shares)[0], fault))
    prompts, responses, families, verdicts, languages = (list(column) for column in zip(*rows, strict=True))
    tasks = [f"{(begin + number) // 4:032x}" for number in range(count)]
    frame = pl.DataFrame(
        {
            "r1_id": [blake2b(f"{p}\n{r}".encode(), digest_size=16).hexdigest() for p, r, *_ in rows],
            "task_id": tasks,
            "draw": pl.Series([number % 4 for number in range(count)], dtype=pl.Int32),
            "family": families,
            "prompt": prompts,
            "response": responses,
            "verdict": verdicts,
            "language_consistency": languages,
        }
    )
    made = {"checkpoint": pl.lit("c" * 32), "sampling": pl.lit("s" * 32), "seed": pl.lit(0, pl.Int64), "draw": "draw"}
    general = pl.col("family") == "general"
    return frame.with_columns(
        r1_parents=pl.concat_list("task_id"),
        r1_op=pl.lit("generate"),
        r1_gen=pl.struct(**made),
        kind=pl.when(general).then(pl.lit("helpful")).otherwise(pl.lit("reasoning")),
        language=pl.lit("en"),
        num_tokens=(pl.col("response").str.len_bytes() // 4).cast(pl.Int32),
        source=pl.lit("bench"),
        held_out=pl.lit(False),
        license=pl.lit(""),
    ).select(*EXAMPLES.columns, *GRADED)


def _row(rng: random.Random, domain: str, fault: float) -> tuple[str, str, str, str, float]:
    bank, problems = _bank()
    size = min(60_000, max(200, int(rng.lognormvariate(7.35, 0.8))))
    thought = "\n\n".join(rng.choices(bank, k=max(1, round(size / _PARAGRAPH))))
    language, ending = 1.0, "</think><answer>"
    if fault > 0.98:
        thought += "\n\n```python\nprint(1)\n```\nso it goes."
    elif fault > 0.96:
        thought = " ".join(rng.choices(bank, k=15))
    elif fault > 0.94:
        language = 0.7
    elif fault > 0.92:
        thought += "\n\n" + "wait, let me check that again. " * (len(thought) // 20)
    elif fault > 0.918:
        thought += "\n\n" + rng.choice(problems)
    elif fault > 0.913:
        ending = ""
    elif fault > 0.908:
        ending += "<answer>"
    response = f"<think>{thought}{ending}{rng.randint(1, 999)}</answer>"
    return rng.choice(bank), response, domain, "wrong" if rng.random() < 0.08 else "correct", language


def _changed(rng: random.Random, text: str) -> str:
    words = text.split(" ")
    for place in rng.sample(range(1, len(words)), max(1, len(words) // 100)):
        words[place] = "".join(rng.choices(_LETTERS, k=5))
    return " ".join(words)
