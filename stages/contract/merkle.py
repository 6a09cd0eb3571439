"""Merkle trees over sorted row ids: one digest for a set, and short proofs that an id is in it or is not.

The tree is RFC 6962's: a leaf is SHA-256 of a zero byte and the id's 16 bytes, a node that of a one byte and its two
children; where a level's last node has no neighbour it moves up as it is. Leaves are distinct and sorted, so two
neighbours prove that nothing lies between them. tools/check_proof.py checks proofs without this module.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

EMPTY = sha256(b"").hexdigest()


@dataclass(frozen=True, kw_only=True)
class RowSet:
    """A set of row ids: how many, and the root of their tree."""

    count: int
    root: str

    @classmethod
    def of(cls, ids: Iterable[str]) -> "RowSet":
        found = leaves(ids)
        return cls(count=len(found), root=root(found))


def leaves(ids: Iterable[str]) -> list[bytes]:
    """The distinct ids (hex), sorted, as bytes."""
    return [bytes.fromhex(name) for name in sorted(set(ids))]


def root(sorted_leaves: Sequence[bytes]) -> str:
    """The tree's root in hex.

    >>> root([]) == EMPTY
    True
    >>> root(leaves(["aa"])) == sha256(bytes.fromhex("00aa")).hexdigest()
    True
    """
    level = [sha256(b"\x00" + leaf).digest() for leaf in sorted_leaves]
    while len(level) > 1:
        level = _above(level)
    return level[0].hex() if level else EMPTY


def path(sorted_leaves: Sequence[bytes], index: int) -> list[str]:
    """The neighbours from a leaf to the root, in hex: with them and the leaf the root can be computed."""
    level = [sha256(b"\x00" + leaf).digest() for leaf in sorted_leaves]
    found = []
    while len(level) > 1:
        neighbour = index ^ 1
        if neighbour < len(level):
            found.append(level[neighbour].hex())
        level, index = _above(level), index // 2
    return found


def order_digest(ids: Sequence[str]) -> str:
    """SHA-256 over ids in their order.

    >>> order_digest(["aa", "bb"]) == order_digest(["bb", "aa"])
    False
    """
    return sha256(bytes.fromhex("".join(ids))).hexdigest()


def _above(level: list[bytes]) -> list[bytes]:
    pairs = zip(level[::2], level[1::2], strict=False)
    above = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
    return above + level[len(level) - len(level) % 2 :]
