"""The filters and MinHash deduplication of bench/curation.py in Hugging Face datasets: python with_datasets.py TRACES OUT.

datasets has no deduplication of its own: this is the way of the scripts that are in use with it (128 permutations of
hashed 5-grams in numpy, bands in a dict, union-find in the main process), two processes wherever it maps.
"""

import sys
from pathlib import Path

import numpy as np
import xxhash
from datasets import load_dataset
from rules import keeps

BANDS, ROWS, NGRAM, PRIME = 16, 8, 5, np.uint64((1 << 61) - 1)
_rng = np.random.RandomState(1)
A = _rng.randint(1, PRIME, dtype=np.uint64, size=(1, BANDS * ROWS))
B = _rng.randint(0, PRIME, dtype=np.uint64, size=(1, BANDS * ROWS))


def keep_all(batch: dict) -> list[bool]:
    return [keeps(dict(zip(batch, row, strict=True))) for row in zip(*batch.values(), strict=True)]


def bands(batch: dict) -> dict:
    return {"bands": [bands_of(text) for text in batch["response"]]}


def bands_of(text: str) -> list[bytes]:
    words = text.lower().split()
    grams = {" ".join(words[i : i + NGRAM]) for i in range(max(1, len(words) - NGRAM + 1))}
    hashes = np.array([[xxhash.xxh64_intdigest(gram)] for gram in grams], np.uint64)
    slots = ((hashes * A + B) % PRIME & np.uint64(0xFFFFFFFF)).min(axis=0).astype(np.uint32)
    return [slots[i * ROWS : (i + 1) * ROWS].tobytes() for i in range(BANDS)]


def main() -> None:
    traces, out = sys.argv[1], Path(sys.argv[2])
    files = sorted(str(path) for path in Path(traces).glob("*.parquet"))
    rows = load_dataset("parquet", data_files=files, split="train", cache_dir=str(out / "cache"))
    rows = rows.filter(keep_all, batched=True, num_proc=2)
    sketched = rows.map(bands, batched=True, num_proc=2, remove_columns=rows.column_names)
    parent: dict[int, int] = {}

    def root(x: int) -> int:
        while parent.get(x, x) != x:
            parent[x] = parent.get(parent[x], parent[x])
            x = parent[x]
        return x

    seen: list[dict[bytes, int]] = [{} for _ in range(BANDS)]
    for number, row in enumerate(sketched):
        for band, table in zip(row["bands"], seen, strict=True):
            first = table.setdefault(band, number)
            a, b = root(first), root(number)
            if a != b:
                parent[max(a, b)] = min(a, b)
    kept = rows.select([number for number in range(len(rows)) if root(number) == number])
    kept.to_parquet(str(out / "kept.parquet"))


if __name__ == "__main__":
    main()
