"""Decontamination: no training row may hold a held-out problem, however it is typed, renumbered or wrapped.

The paper drops any text with a 10-gram that a benchmark has too (its section on decontamination). Here, over words that
typesetting doesn't change (stages/curate/words.py), a text is dropped for

- `held_out_text`: it is a held-out problem but for case and spacing;
- `held_out_state`: a state of its solution is a held-out problem (the embedded world's rows have their states);
- `held_out_ngram`: it shares an n-gram; a problem shorter than n is one gram as a whole, and if it has a number and
  at least 5 words it is also found within a longer text; or a longer one with a held-out problem's reference solution;
- `held_out_template`: it is a held-out problem but for its numbers, typesetting and punctuation;
- `held_out_near`: half of a held-out problem's 4-grams of words, numbers masked, are in it.

What is not covered: paraphrases, translations, letters of another alphabet that look alike, words spelled out letter by
letter; numbers changed in a problem of fewer than 8 words.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stages.curate.outcome import Curated, divide
from stages.curate.words import Grams, Hashes, Places, Words, fold, grams, normalise, words

MIN_WITHIN = 5  # words of a short problem that is looked for within longer texts
MIN_TEMPLATE = 8  # words: below that, too many different problems share a template
SOLUTION_MORE = 3  # words: 10-grams of GSM8K's test solutions are in 0.9% of its training solutions, 13-grams in 0.08%
NEAR_GRAM = 4
NEAR_SHARE = 0.5
HOW = (
    "held_out_text",
    "held_out_state",
    "held_out_ngram",
    "held_out_template",
    "held_out_near",
)  # in the order of blame


@dataclass(frozen=True, kw_only=True)
class Index:
    """Grams of held-out problems, sorted, each with the problems (by number) that have it."""

    hash_G: Hashes
    begin_G1: Places  # where each gram's problems begin in `item_M`
    item_M: Places
    seen: NDArray[np.bool_]  # whether any gram begins with these 20 bits: most words of most texts are none

    @classmethod
    def of(cls, found: Grams, items: Sequence[int] | Places) -> "Index":
        """Index the grams of texts, whose problems are `items`."""
        item_N = np.asarray(items, np.int64)[found.texts()]
        order = np.lexsort((item_N, found.hash_N))
        pairs = np.unique(np.stack([found.hash_N[order], item_N[order].astype(np.uint64)]), axis=1)
        hash_G, begin_G = np.unique(pairs[0], return_index=True)
        seen = np.zeros(1 << 20, np.bool_)
        seen[hash_G >> np.uint64(44)] = True
        return cls(
            hash_G=hash_G,
            begin_G1=np.concatenate([begin_G, [pairs.shape[1]]]),
            item_M=pairs[1].astype(np.int64),
            seen=seen,
        )

    def pairs(self, found: Grams) -> tuple[Places, Places, Hashes]:
        """Texts and the problems whose grams they have, with the gram; a gram that a text repeats is repeated."""
        if not len(self.hash_G):
            return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint64)
        maybe = np.flatnonzero(self.seen[found.hash_N >> np.uint64(44)])
        place = np.minimum(np.searchsorted(self.hash_G, found.hash_N[maybe]), len(self.hash_G) - 1)
        hit = self.hash_G[place] == found.hash_N[maybe]
        gram, place = maybe[hit], place[hit]
        text = np.searchsorted(found.begin_T1, gram, side="right") - 1
        counts = np.diff(self.begin_G1)[place]
        start = np.repeat(self.begin_G1[place] - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts)
        item = self.item_M[np.arange(counts.sum()) + start]
        return np.repeat(text, counts), item, np.repeat(found.hash_N[gram], counts)


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """What may not appear in training. `ids` are the `r1_id`s of the held-out rows, which the rest counts in.

    `states` holds the held-out problems themselves, not the states of their solutions: those are
    easier problems, and the last one is a bare result, which most training rows share.
    """

    ids: Sequence[str]
    ngram: int  # 0: n-grams are not compared
    texts: dict[str, int]
    states: dict[str, int]
    grams: Index
    within: dict[int, Index]  # short problems, by their number of words; and solutions' longer n-grams
    near: Index
    near_size: Places  # of each problem, how many different grams it has in `near`; 0: it is not compared
    near_count: Places  # and how many in all


def hold_out(frame: pl.DataFrame, *, ngram: int = 10, alike: Sequence[bool] | None = None) -> HeldOut:
    """Index held-out tasks: columns `r1_id`, `prompt`, and `states`, whose first is the problem's own.

    `alike` says of each row whether problems that are like it are dropped, too (short ones within longer texts,
    templates, near-duplicates); by default all. Not so for a generator's problems, which are alike by nature. Rows that
    a column `solution` marks are reference solutions: longer n-grams of them, and nothing else, are compared.
    """
    prompts = frame.get_column("prompt")
    solution_T = frame["solution"].to_numpy() if "solution" in frame.columns else np.zeros(len(prompts), np.bool_)
    alike_T = ~solution_T & (True if alike is None else np.asarray(alike, np.bool_))
    found = words(fold(prompts))
    count_T = np.diff(found.begin_T1)
    short_T = (count_T >= MIN_WITHIN) & (count_T < ngram) & found.has_number() & alike_T
    template = found.template()
    long_T = (np.diff(template.begin_T1) >= MIN_TEMPLATE) & alike_T
    near = _index(template, long_T, NEAR_GRAM)
    within = {n: short_T & (count_T == n) for n in sorted(set(count_T[short_T].tolist()))}
    if solution_T.any() and ngram:
        within[ngram + SOLUTION_MORE] = solution_T & (count_T >= ngram + SOLUTION_MORE)
    return HeldOut(
        ids=frame.get_column("r1_id").to_list(),
        ngram=ngram,
        texts=_first(map(normalise, prompts.to_list())),
        states=_first(s[0] if s else "" for s in frame["states"].to_list()) if "states" in frame.columns else {},
        grams=_index(found, np.full(len(prompts), ngram > 0) & ~solution_T, ngram or 1),
        within={n: _index(found, chosen_T, n) for n, chosen_T in within.items()},
        near=near,
        near_size=np.bincount(near.item_M, minlength=len(prompts)),
        near_count=np.diff(grams(template, NEAR_GRAM).begin_T1),
    )


def benchmarks(tasks: pl.DataFrame, documents: pl.DataFrame) -> pl.DataFrame:
    """Held-out tasks, and documents of the forms `problem` and `solution` (their problems' ids are their parents), as
    `hold_out` takes them."""
    texts = documents.select(
        r1_id=pl.col("r1_parents").list.first(),
        prompt="text",
        states=pl.lit([], dtype=pl.List(pl.String)),
        solution=pl.col("form") == "solution",
    )
    return pl.concat([tasks.select("r1_id", "prompt", "states", solution=pl.lit(False)), texts])


def _index(found: Words, chosen_T: NDArray[np.bool_], n: int) -> Index:
    kept = found.texts(chosen_T)
    return Index.of(grams(kept, n), np.flatnonzero(chosen_T))


def _first(keys: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for number, key in enumerate(keys):
        if key:
            found.setdefault(key, number)
    return found


def decontaminate(frame: pl.DataFrame, held_out: HeldOut, *, column: str = "prompt") -> Curated:
    """Drop rows that hold a held-out problem, in the text of `column` or among their `states`.

    The reason is the first of HOW that holds, with the held-out row's id after a colon.
    """
    states = frame.get_column("states").to_list() if "states" in frame.columns else ()
    return divide(frame, blame(matches(frame.get_column(column), held_out, states=states), held_out, frame.height))


def blame(found: pl.DataFrame, held_out: HeldOut, num_texts: int) -> list[str | None]:
    """The first reason of each text, from its matches."""
    reasons: list[str | None] = [None] * num_texts
    for text, item, how in found.sort("text", "how", "item").unique("text", keep="first").iter_rows():
        reasons[text] = f"{HOW[how]}:{held_out.ids[item]}"
    return reasons


def matches(
    texts: pl.Series, held_out: HeldOut, *, states: Sequence[Sequence[str] | None] = (), cut: Words | None = None
) -> pl.DataFrame:
    """Which texts hold which held-out problems: `text` and `item` by number, `how` as a place in HOW.

    `cut`: the folded texts' words, where they were cut already; then whole texts aren't compared letter by letter.
    """
    found = cut or words(fold(texts))
    pairs = [(0, *_equal(map(normalise, () if cut else texts.to_list()), held_out.texts))]
    pairs += [(1, *_equal(hashes or (), held_out.states, text)) for text, hashes in enumerate(states)]
    begin = 0
    for block in found.blocks():
        pairs += [(how, text + begin, item) for how, text, item in _alike(block, held_out)]
        begin += len(block)
    return pl.concat(
        pl.DataFrame({"text": text, "item": item, "how": [how] * len(text)}, schema=_MATCH)
        for how, text, item in pairs
        if how < 1 or len(text)
    ).unique()


def _alike(found: Words, held_out: HeldOut) -> Iterator[tuple[int, Places, Places]]:
    """(how, texts, items) of texts that hold n-grams or other large parts of a problem."""
    if held_out.ngram:
        yield (2, *held_out.grams.pairs(grams(found, held_out.ngram))[:2])
    for n, index in held_out.within.items():
        yield (2, *index.pairs(grams(found, n))[:2])
    if held_out.near_size.any():
        text, item, whole = _near(grams(found.template(), NEAR_GRAM), held_out)
        yield 3, text[whole], item[whole]
        yield 4, text[~whole], item[~whole]


_MATCH = {"text": pl.Int64, "item": pl.Int64, "how": pl.Int8}


def _equal(keys: Iterable[str], index: dict[str, int], text: int | None = None) -> tuple[Places, Places]:
    hits = [(number if text is None else text, index[key]) for number, key in enumerate(keys) if key in index]
    pairs = np.array(hits, np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _near(found: Grams, held_out: HeldOut) -> tuple[Places, Places, NDArray[np.bool_]]:
    """Texts that have a large share of a problem's grams, and whether they have all of them and nothing else."""
    text, item, gram = held_out.near.pairs(found)
    if not len(text):
        return text, item, np.zeros(0, np.bool_)
    shared = pl.DataFrame({"text": text, "item": item, "gram": gram}).group_by("text", "item").agg(pl.n_unique("gram"))
    text, item, count = (shared[name].to_numpy() for name in ("text", "item", "gram"))
    size = held_out.near_size[item]
    enough = count >= NEAR_SHARE * size
    whole = (count == size) & (np.diff(found.begin_T1)[text] == held_out.near_count[item])
    return text[enough], item[enough], whole[enough]
