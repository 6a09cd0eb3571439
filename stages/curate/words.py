r"""Texts as comparable words, many texts at a time. Typesetting is dropped, so that an added comma or space hides nothing.

A text is folded first (one case, one spelling of LaTeX, compatibility forms of Unicode), then cut into words over its
bytes: runs of letters, numbers (2.5 and 1,000 are one each), single Han characters, single operators. A word is known by
a 64-bit hash, which is the same in every version and on every machine: what is kept of it may be compared later.

Array suffixes: `_N` words, `_B` bytes, `_T` texts (`_T1`: texts and one more, as borders).
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]

# Rust's regular expressions: linear in the text, whatever it holds.
_LAYOUT = (
    r"\\(?:left|right|[bB]igg?[lrm]?|quad|qquad|displaystyle|textstyle|text|textbf|textit|textrm|mathrm|mathbf|mathit"
    r"|operatorname|limits|rm|bf|it|hfill|newline|noindent)\b"
)
_REWRITTEN = (
    (r"\\begin\{[a-z]+\*?\}|\\end\{[a-z]+\*?\}", " "),
    (_LAYOUT, " "),
    (r"\\[dtc]frac\b", r"\frac"),
    (r"\\(?:cdot|times|ast)\b|[×·∙⋅]", "*"),
    (r"\\div\b|÷", "/"),
    (r"\\leqslant\b|\\leq\b|≤|\\le\b", r"\le "),
    (r"\\geqslant\b|\\geq\b|≥|\\ge\b", r"\ge "),
    (r"[−–‐‑]", "-"),
    (r"\{,\}|,\\!|\\,", ","),  # between digits a separator of thousands, elsewhere a blank
    (r"\\[!;:>]", ""),
    (r"\\ ", " "),
    (r"\p{Cf}|['’‘ʼ`´]", ""),  # invisible characters; apostrophes, so that janet's is one word however it is typed
)
_LETTER, _DIGIT, _OPERATOR, _SINGLE = 1, 2, 3, 4  # kinds of bytes, and of words; 0 stands between words
_COMMAND = 5  # a LaTeX command
_NUMERALS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million dozen half third"
    " quarter once twice thrice double triple"
)
_KIND = np.zeros(256, np.uint8)
for _first, _last, _kind in (
    (0x30, 0x39, _DIGIT),
    (0x61, 0x7A, _LETTER),
    (0xC3, 0xE1, _LETTER),  # scripts with letters; U+0080-00BF, which C2 leads, are signs
    (0xE2, 0xE2, _OPERATOR),  # U+2000-2FFF; its punctuation is taken out below
    (0xE3, 0xE9, _SINGLE),  # Han and kana
    (0xEA, 0xED, _LETTER),  # Hangul
    (0xF0, 0xF4, _SINGLE),
):
    _KIND[_first : _last + 1] = _kind
_KIND[list(b"+-*/^=<>")] = _OPERATOR
_P = 0x9E3779B97F4A7C15 | 1
_BATCH = 1 << 17  # bytes cut into words at a time: its arrays stay in the processor's caches


def normalise(text: str) -> str:
    """A text for exact comparison: composed Unicode, one case, single spaces.

    Compatibility forms stay apart, for they would turn x² into x2.

    >>> normalise("  How  many\\neggs? ")
    'how many eggs?'
    """
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def fold(texts: pl.Series) -> pl.Series:
    r"""Texts in one case and one typesetting.

    >>> fold(pl.Series([r"Janet’s $\dfrac{1}{2}\cdot x²$"])).item()
    'janets $\\frac{1}{2}* x2$'
    """
    other = (texts.str.len_bytes() != texts.str.len_chars()).arg_true()  # ASCII is composed as it is
    folded = texts.scatter(other, texts.gather(other).str.normalize("NFKC")) if len(other) else texts
    rewritten = pl.col(folded.name).str.to_lowercase()
    for pattern, replacement in _REWRITTEN:
        rewritten = rewritten.str.replace_all(pattern, replacement)
    return folded.to_frame().select(rewritten).to_series()


@dataclass(frozen=True, kw_only=True)
class Words:
    """The words of some texts, one text after the other."""

    hash_N: Hashes
    kind_N: NDArray[np.uint8]
    begin_T1: Places  # where each text's words begin; the last is their number
    text_T: Hashes  # of each text as it was folded: all its characters, with one blank for any

    def __len__(self) -> int:
        return len(self.begin_T1) - 1

    def blocks(self, *, size: int = 1 << 17) -> Iterator["Words"]:
        """The texts in order, about `size` words at a time: what is computed of them stays in the processor's caches."""
        last_T = self.begin_T1[:-1] // size
        borders = np.flatnonzero(np.diff(last_T)) + 1
        for begin, end in zip([0, *borders.tolist()], [*borders.tolist(), len(self)], strict=True):
            first, last = self.begin_T1[begin], self.begin_T1[end]
            yield Words(
                hash_N=self.hash_N[first:last],
                kind_N=self.kind_N[first:last],
                begin_T1=self.begin_T1[begin : end + 1] - first,
                text_T=self.text_T[begin:end],
            )

    def chosen(self, keep_N: NDArray[np.bool_]) -> "Words":
        """Some of the words."""
        counted = np.concatenate([[0], np.cumsum(keep_N)])
        return replace(self, hash_N=self.hash_N[keep_N], kind_N=self.kind_N[keep_N], begin_T1=counted[self.begin_T1])

    def texts(self, keep_T: NDArray[np.bool_]) -> "Words":
        """The words of some of the texts."""
        count_T = np.diff(self.begin_T1)
        kept = self.chosen(np.repeat(keep_T, count_T))
        begin = np.concatenate([[0], np.cumsum(count_T[keep_T])])
        return replace(kept, begin_T1=begin, text_T=self.text_T[keep_T])

    def template(self) -> "Words":
        """A text's words without operators and LaTeX commands, every number (in digits or words) replaced by one mark:
        what stays when a problem's numbers and its typesetting are changed."""
        seen, numerals = _numerals()
        maybe = np.flatnonzero(seen[self.hash_N >> np.uint64(48)])
        number_N = self.kind_N == _DIGIT
        number_N[maybe] |= np.isin(self.hash_N[maybe], numerals)
        masked = replace(self, hash_N=np.where(number_N, np.uint64(1), self.hash_N))
        return masked.chosen((self.kind_N != _OPERATOR) & (self.kind_N != _COMMAND))

    def has_number(self) -> NDArray[np.bool_]:
        """Of each text, whether a number in digits is among its words."""
        counted = np.concatenate([[0], np.cumsum(self.kind_N == _DIGIT)])
        return np.diff(counted[self.begin_T1]) > 0


def words(folded: pl.Series) -> Words:
    """Cut folded texts into words.

    >>> found = words(fold(pl.Series(["What is 1,000 + 2.5?", "求a"])))
    >>> found.begin_T1.tolist(), found.kind_N.tolist()
    ([0, 5, 7], [1, 1, 2, 3, 2, 4, 1])
    """
    parts = [_cut(batch) for batch in batches(folded)]
    begins = np.cumsum([0, *(len(part.hash_N) for part in parts)])
    return Words(
        hash_N=np.concatenate([part.hash_N for part in parts] or [np.zeros(0, np.uint64)]),
        kind_N=np.concatenate([part.kind_N for part in parts] or [np.zeros(0, np.uint8)]),
        begin_T1=np.concatenate([*(p.begin_T1[:-1] + b for p, b in zip(parts, begins, strict=False)), begins[-1:]]),
        text_T=np.concatenate([part.text_T for part in parts] or [np.zeros(0, np.uint64)]),
    )


@cache
def _numerals() -> tuple[NDArray[np.bool_], Hashes]:
    """The numerals' hashes, and whether any of them begins with 16 bits: most words are none."""
    found = words(pl.Series([_NUMERALS])).hash_N
    seen = np.zeros(1 << 16, np.bool_)
    seen[found >> np.uint64(48)] = True
    return seen, found


def batches(texts: pl.Series, *, size: int = _BATCH) -> Iterator[Sequence[str]]:
    """Texts in order, about `size` bytes at a time."""
    cut = np.cumsum(texts.str.len_bytes().to_numpy()) // size
    borders = np.flatnonzero(np.diff(cut, prepend=0)) if len(cut) else np.zeros(0, np.int64)
    for begin, end in zip([0, *borders], [*borders, len(texts)], strict=True):
        if end > begin:
            yield texts[int(begin) : int(end)].to_list()


def _cut(texts: Sequence[str]) -> Words:
    encoded = [text.encode("utf-8", "replace") for text in texts]
    buffer_B = np.frombuffer(b" ".join(encoded) + b" ", np.uint8)
    start_T = np.cumsum([0, *(len(text) + 1 for text in encoded)])[:-1]
    text_T = _text_hashes(buffer_B, start_T)
    kind_B = _kinds(buffer_B)
    joined = _joins(buffer_B, kind_B)
    before = np.concatenate([[0], kind_B[:-1]])
    if joined is not None:  # 1,000 is hashed as 1000 is
        kept = np.flatnonzero(~joined)
        start_T = np.searchsorted(kept, start_T)
        buffer_B, kind_B = buffer_B[kept], kind_B[kept]
        before = np.concatenate([[0], kind_B[:-1]])
    lead_B = buffer_B & 0xC0 != 0x80
    single_B = kind_B >= _OPERATOR
    begin_N = np.flatnonzero((kind_B != 0) & ((kind_B != before) | (single_B & lead_B)))
    after = np.concatenate([kind_B[1:], [0]])
    ends_B = (kind_B != 0) & ((kind_B != after) | (single_B & np.concatenate([lead_B[1:], [True]])))
    end_N = np.flatnonzero(ends_B) + 1
    command_N = (kind_B[begin_N] == _LETTER) & (buffer_B[np.maximum(begin_N - 1, 0)] == 0x5C)
    return Words(
        hash_N=_hashes(buffer_B, begin_N, end_N),
        kind_N=np.where(command_N, np.uint8(_COMMAND), kind_B[begin_N]),
        begin_T1=np.concatenate([np.searchsorted(begin_N, start_T), [len(begin_N)]]),
        text_T=text_T,
    )


def _text_hashes(buffer_B: NDArray[np.uint8], start_T: Places) -> Hashes:
    """A hash of each text that differs where any two characters do, but not by how many blanks stand together."""
    blank_B = buffer_B <= 0x20
    kept = np.flatnonzero(~(blank_B & np.concatenate([[True], blank_B[:-1]])))
    begin_T = np.searchsorted(kept, start_T)
    # The blank behind a text belongs to it, unless one stands before it already.
    end_T = np.concatenate([begin_T[1:], [len(kept)]])
    return _hashes(np.where(blank_B[kept], 0x20, buffer_B[kept]).astype(np.uint8), begin_T, end_T)


def _kinds(buffer_B: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The kind of each byte; all bytes of a character have the kind of the first."""
    kind_B = _KIND[buffer_B]
    if buffer_B.max(initial=0) < 0x80:
        return kind_B
    place = np.arange(len(buffer_B))
    lead_B = buffer_B & 0xC0 != 0x80
    first_B = np.maximum.accumulate(np.where(lead_B, place, 0))
    second = np.concatenate([buffer_B[1:], [0]])
    punctuation = ((buffer_B == 0xE2) & (second <= 0x81)) | ((buffer_B == 0xE3) & (second == 0x80))
    kind_B = np.where(punctuation, 0, kind_B)
    return np.asarray(kind_B[first_B], np.uint8)


def _joins(buffer_B: NDArray[np.uint8], kind_B: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """Bytes to take out: commas before three digits. Points between digits become digits, in place."""
    places = np.flatnonzero(((buffer_B == 0x2C) | (buffer_B == 0x2E)) & (kind_B == 0))
    places = places[(places > 0) & (places + 4 < len(buffer_B))]
    digit_B = kind_B == _DIGIT
    places = places[digit_B[places - 1] & digit_B[places + 1]]
    if not len(places):
        return None
    point = buffer_B[places] == 0x2E
    kind_B[places[point]] = _DIGIT
    commas = places[~point]
    commas = commas[digit_B[commas + 2] & digit_B[commas + 3] & ~digit_B[commas + 4]]
    joined = np.zeros(len(buffer_B), np.bool_)
    joined[commas] = True
    return joined


def _hashes(buffer_B: NDArray[np.uint8], begin_N: Places, end_N: Places) -> Hashes:
    """A polynomial over each word's bytes, mixed. Sums and products are modulo 2^64."""
    power, inverse = _powers(len(buffer_B) + 1)
    total = np.zeros(len(buffer_B) + 1, np.uint64)
    np.multiply(_VALUE[buffer_B], power[1:], out=total[1:])
    np.cumsum(total, out=total)
    return mixed((total[end_N] - total[begin_N]) * inverse[begin_N] + (end_N - begin_N).astype(np.uint64))


_VALUE = np.arange(1, 257, dtype=np.uint64)  # of a byte
_POWERS: list[Hashes] = []


def _powers(count: int) -> tuple[Hashes, Hashes]:
    """Powers of an odd number modulo 2^64 and those of its inverse, from 0 on."""
    if not _POWERS or len(_POWERS[0]) < count:
        size = max(count, _BATCH + (1 << 16))
        _POWERS[:] = [
            np.cumprod(np.concatenate([np.ones(1, np.uint64), np.full(size - 1, base, np.uint64)]), dtype=np.uint64)
            for base in (_P, pow(_P, -1, 1 << 64))
        ]
    return _POWERS[0][:count], _POWERS[1][:count]


def mixed(values: Hashes) -> Hashes:
    """Spread values over all 64 bits (the finaliser of splitmix64, Steele et al. 2014)."""
    z: Hashes = values >> np.uint64(30)
    z ^= values
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= z >> np.uint64(27)
    z *= np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return z


@dataclass(frozen=True, kw_only=True)
class Grams:
    """The n-grams of some texts, in order. A text that is shorter than n is one gram, one without words none."""

    hash_N: Hashes
    begin_T1: Places

    def texts(self) -> Places:
        """The text of each gram."""
        return np.repeat(np.arange(len(self.begin_T1) - 1), np.diff(self.begin_T1))

    def repeated_share(self) -> NDArray[np.float64]:
        """Share of each text's grams that occurred before in it; 0 without grams. Of a hash 40 bits are compared."""
        count_T = np.diff(self.begin_T1)
        key_N = np.sort((self.texts().astype(np.uint64) << np.uint64(40)) | (self.hash_N >> np.uint64(24)))
        again = key_N[1:][key_N[1:] == key_N[:-1]]
        repeats = np.bincount((again >> np.uint64(40)).astype(np.int64), minlength=len(count_T))
        return np.divide(repeats, count_T, out=np.zeros(len(count_T)), where=count_T > 0)


def grams(found: Words, n: int) -> Grams:
    """All n-grams of texts: polynomials over the words' hashes, modulo 2^64."""
    count_T = np.diff(found.begin_T1)
    total_N = _polynomials(found.hash_N, n)
    whole_T = (count_T < n) & (count_T > 0)
    grams_T = np.where(whole_T, 1, np.maximum(0, count_T - n + 1))
    total_N[found.begin_T1[:-1][whole_T]] = wholes(found)[whole_T]
    last_T = found.begin_T1[:-1] + grams_T
    edges = np.zeros(len(total_N) + 1, np.int8)
    edges[last_T[count_T > 0]] = -1
    edges[found.begin_T1[:-1][count_T > 0]] += 1
    keep_N = np.cumsum(edges[:-1], dtype=np.int8) > 0
    return Grams(hash_N=mixed(total_N[keep_N] + np.uint64(n)), begin_T1=np.concatenate([[0], np.cumsum(grams_T)]))


def _polynomials(hash_N: Hashes, n: int) -> Hashes:
    """Of each word and the n - 1 after it; the last n - 1 are of fewer, and of no use. Twice the length in one step."""
    if n == 1:
        return hash_N.copy()
    half = _polynomials(hash_N, n // 2)
    total_N = half * np.uint64(pow(_P, n // 2, 1 << 64))
    total_N[: max(0, len(half) - n // 2)] += half[n // 2 :]
    if n % 2:
        total_N *= np.uint64(_P)
        total_N[: max(0, len(hash_N) - n + 1)] += hash_N[n - 1 :]
    return total_N


def wholes(found: Words) -> Hashes:
    """One hash for all words of each text."""
    count_T = np.diff(found.begin_T1)
    place_N = np.arange(len(found.hash_N)) - np.repeat(found.begin_T1[:-1], count_T)
    total = np.zeros(len(found.hash_N) + 1, np.uint64)
    np.cumsum(mixed(found.hash_N + place_N.astype(np.uint64)), out=total[1:])
    return mixed(total[found.begin_T1[1:]] - total[found.begin_T1[:-1]] + count_T.astype(np.uint64))
