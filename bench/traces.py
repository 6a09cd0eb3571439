"""Synthetic reasoning traces for bench/curation.py: lengths, domains and faults as a real set has them.

Lengths are log-normal (a standard deviation of 0.8 in the logarithm, 2.4 KB on average), domains have Table 5's shares. Of
100 rows about 10 are wrong, 5 equal another's text, 5 are another's with a word in a hundred changed, and 10 have one of
the other faults. Sentences come from a bank of 30,000, each with numbers of its own, so that no two texts are alike by
accident.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from stages.contract.schemas import EXAMPLES
from stages.curate.recipe import GRADED

DOMAINS = {"math": 0.491, "code": 0.262, "stem": 0.013, "logic": 0.013, "general": 0.221}
FILE_ROWS = 16_384
PROBLEM = "Held-out problem: a farmer has %d crates of %d pears, sells %d of them and packs the others in bags of %d; how many bags?"
_LETTERS = "etaoinshrdlucmfwygpbvk"


def benchmark(count: int = 1000) -> pl.DataFrame:
    """Held-out problems."""
    rng = random.Random("benchmark")
    bank = _Bank(rng, sentences=3000)
    prompts = [f"{bank.text(rng, 300)} How many are left in the end?" for _ in range(count)]
    return pl.DataFrame({"r1_id": [f"{i:032x}" for i in range(count)], "prompt": prompts})


def write(folder: Path, rows: int, *, seed: int = 0) -> int:
    """Write traces as Parquet files of 16,384 rows. Returns the bytes of text. The first rows of a larger set are the
    smaller set."""
    folder.mkdir(parents=True, exist_ok=True)
    bank, problems, total = _Bank(random.Random("bank"), sentences=30_000), benchmark()["prompt"].to_list(), 0
    for number, begin in enumerate(range(0, rows, FILE_ROWS)):
        rng = random.Random(f"{seed} {number}")
        frame = pl.DataFrame(
            list(_rows(rng, bank, problems, begin, min(FILE_ROWS, rows - begin))),
            schema={**EXAMPLES.columns, **GRADED},
        )
        frame.write_parquet(folder / f"traces-{number:05}.parquet", compression="zstd", row_group_size=4096)
        total += int(frame.select(pl.col("prompt", "response").str.len_bytes().sum()).sum_horizontal().item())
    return total


class _Bank:
    def __init__(self, rng: random.Random, *, sentences: int) -> None:
        weights = [1 / (place + 3) for place in range(6000)]
        words = ["".join(rng.choices(_LETTERS, k=rng.randint(2, 9))) for _ in weights]
        self.sentences = []
        for _ in range(sentences):
            chosen = rng.choices(words, weights, k=rng.randint(8, 22))
            for place in rng.sample(range(len(chosen)), 2):
                chosen[place] = rng.choice(("%d", "$%d$", r"$\frac{x}{%d}$", "%d"))
            self.sentences.append(f"{' '.join(chosen).capitalize()}{rng.choice('.,.:')}")

    def text(self, rng: random.Random, size: int) -> str:
        """About `size` bytes of text, in paragraphs of five sentences."""
        chosen = rng.choices(self.sentences, k=max(1, size // 92))
        lines = [" ".join(chosen[begin : begin + 5]) for begin in range(0, len(chosen), 5)]
        return "\n\n".join(lines) % tuple(rng.choices(range(2, 5000), k=2 * len(chosen)))


def _rows(rng: random.Random, bank: _Bank, problems: list[str], begin: int, count: int) -> Iterator[dict[str, object]]:
    domains, shares = list(DOMAINS), list(DOMAINS.values())
    earlier: list[dict[str, object]] = []
    for number in range(begin, begin + count):
        fault = rng.random()
        if earlier and fault < 0.10:
            row = dict(rng.choice(earlier))
            row["prompt"], row["response"] = str(row["prompt"]), str(row["response"])
            if fault < 0.05:
                row["response"] = _changed(rng, str(row["response"]))
        else:
            row = _row(rng, bank, problems, number, rng.choices(domains, shares)[0], fault)
            if len(earlier) < 1000:
                earlier.append(row)
        row["r1_gen"] = {"checkpoint": "c" * 32, "sampling": "s" * 32, "seed": 0, "draw": number % 4}
        yield {**row, "r1_id": EXAMPLES.row_id(row)}


def _row(
    rng: random.Random, bank: _Bank, problems: list[str], number: int, domain: str, fault: float
) -> dict[str, object]:
    size = min(60_000, max(200, int(rng.lognormvariate(7.45, 0.8))))
    thought = bank.text(rng, size)
    verdict = "wrong" if rng.random() < 0.10 else "correct"
    language = 1.0
    if fault > 0.98:
        thought += "\n\n```python\nprint(1)\n```\nso it goes."
    elif fault > 0.96:
        thought = thought.replace("\n\n", " ") + bank.text(rng, 4000).replace("\n\n", " ")
    elif fault > 0.94:
        language = 0.7
    elif fault > 0.92:
        thought += "\n\n" + "wait, let me check that again. " * (len(thought) // 20)
    elif fault > 0.918:
        thought += "\n\n" + rng.choice(problems)
    response = f"<think>{thought}</think><answer>{rng.randint(1, 999)}</answer>"
    if 0.90 < fault < 0.905:
        response = response.partition("</think>")[0]
    elif 0.905 < fault < 0.91:
        response += " and more"
    return {
        "r1_parents": [f"{number // 4:032x}"],
        "r1_op": "generate",
        "task_id": f"{number // 4:032x}",
        "kind": "helpful" if domain == "general" else "reasoning",
        "family": domain,
        "language": "en",
        "prompt": bank.text(rng, 280),
        "response": response,
        "num_tokens": len(response) // 4,
        "source": "bench",
        "verdict": verdict,
        "language_consistency": language,
        "held_out": False,
        "license": "",
    }


def _changed(rng: random.Random, text: str) -> str:
    words = text.split(" ")
    for place in rng.sample(range(len(words)), max(1, len(words) // 100)):
        words[place] = "".join(rng.choices(_LETTERS, k=5))
    return " ".join(words)
