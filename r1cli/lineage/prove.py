"""Proofs that a row is, or is not, behind a checkpoint. tools/check_proof.py checks them with the manifests only.

A proof answers for every set of rows behind the checkpoint: the tables that its stages read, what they list as parents
of their rows, and what each training took in.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from r1cli.lineage import snapshot
from r1cli.lineage.snapshot import Checkpoint, Snapshot, lineage_digest
from stages.contract import merkle
from stages.contract.errors import UserError
from stages.contract.manifest import NAME
from stages.contract.merkle import RowSet

VERDICTS = ("trained on it", "made rows from it", "read it", "never saw it")


@dataclass(frozen=True, kw_only=True)
class Member:
    """A set of row ids that a manifest commits to: `tables/train.parquet/ids`, `ledgers/ledger.parquet/used`."""

    artifact: str
    key: str
    committed: RowSet


def members(found: Snapshot, name: str) -> list[Member]:
    """All sets behind an artifact. check_proof.py lists them on its own, and wants a claim about each."""
    listed: dict[tuple[str, str], Member] = {}
    for reader in found.upstream(name):
        artifact = found.artifacts[reader]
        for path in artifact.manifest.inputs:
            for producer in found.producers[reader][path]:
                folder = found.artifacts[producer].folder
                for table in found.artifacts[producer].manifest.tables:
                    if f"{folder}/{table}" == path or f"{folder}/{table}".startswith(f"{path}/"):
                        listed |= _table(found, producer, table)
        for ledger, head in artifact.manifest.ledgers.items():
            key = f"ledgers/{ledger}/used"
            listed[reader, key] = Member(artifact=reader, key=key, committed=head.used)
            if head.table.startswith(f"{artifact.folder}/"):
                listed |= _table(found, reader, head.table.removeprefix(f"{artifact.folder}/"))
    return [listed[key] for key in sorted(listed)]


def _table(found: Snapshot, name: str, table: str) -> dict[tuple[str, str], Member]:
    rows = found.artifacts[name].manifest.tables[table]
    keys = {f"tables/{table}/ids": rows.ids, f"tables/{table}/parents": rows.parents}
    return {(name, key): Member(artifact=name, key=key, committed=held) for key, held in keys.items()}


def prove(found: Snapshot, chosen: Checkpoint, row_id: str) -> dict[str, object]:
    """The proof as JSON.

    Raises:
        UserError: the tables or ledgers here are not those of the manifests, or the manifests contradict each other.
    """
    snapshot.whole(found, chosen.artifact.name)
    row = bytes.fromhex(row_id)
    claims = []
    for member in members(found, chosen.artifact.name):
        leaves = list(_leaves(found, member))
        if RowSet(count=len(leaves), root=merkle.root(leaves)) != member.committed:
            raise UserError(f"{member.artifact}: {member.key} is not what its manifest says", hint="r1 verify")
        claims.append({"artifact": member.artifact, "set": member.key, **_claim(leaves, row)})
    names = found.upstream(chosen.artifact.name)
    return {
        "row": row_id,
        "checkpoint": chosen.path,
        "weights": chosen.weights,
        "lineage": lineage_digest(found, chosen.artifact.name),
        "manifests": {
            name: {"path": f"{found.artifacts[name].folder}/{NAME}", "sha256": found.artifacts[name].digest}
            for name in names
        },
        "verdict": verdict({(str(c["artifact"]), str(c["set"])): bool(c["in"]) for c in claims}),
        "claims": claims,
    }


def verdict(claims: Mapping[tuple[str, str], bool]) -> str:
    """The strongest of what the claims say."""
    held = [key.rpartition("/")[2] for (_, key), inside in claims.items() if inside]
    kinds = {"used": VERDICTS[0], "parents": VERDICTS[1], "ids": VERDICTS[2]}
    return next((text for kind, text in kinds.items() if kind in held), VERDICTS[3])


def _leaves(found: Snapshot, member: Member) -> Iterator[bytes]:
    import polars as pl

    from stages.contract.ledger import used_ids

    artifact = found.artifacts[member.artifact]
    _, name, part = member.key.split("/")
    path = found.file(artifact, name)
    if part == "used":
        head = artifact.manifest.ledgers[name]
        ids = _ids(found, head.table) if head.table else []
        yield from merkle.leaves(used_ids(pl.read_parquet(path), ids))
        return
    column = "r1_id" if part == "ids" else "r1_parents"
    values = pl.read_parquet(path, columns=[column])[column]
    yield from merkle.leaves((values.explode() if part == "parents" else values).drop_nulls().unique().to_list())


def _ids(found: Snapshot, table: str) -> list[str]:
    import polars as pl

    if table not in found.files:
        raise UserError(f"{table} is not here", hint="dvc checkout   (or: dvc pull)")
    ids: list[str] = pl.read_parquet(found.files[table], columns=["r1_id"])["r1_id"].to_list()
    return ids


def _claim(leaves: list[bytes], row: bytes) -> dict[str, object]:
    """The leaf itself, or the two between which it would stand (one at either end, none in an empty set)."""
    place = bisect_left(leaves, row)
    inside = place < len(leaves) and leaves[place] == row
    shown = [place] if inside else [i for i in (place - 1, place) if 0 <= i < len(leaves)]
    return {
        "in": inside,
        "leaves": [{"index": i, "id": leaves[i].hex(), "path": merkle.path(leaves, i)} for i in shown],
    }
