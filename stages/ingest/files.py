"""Where a source's files are: a path here, a snapshot in the Hub's cache, or a hub, at a pinned revision always."""

import hashlib
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stages.contract.errors import UserError
from stages.contract.schemas import content_id
from stages.ingest.card import README, Card, chosen, read_card
from stages.ingest.records import SUFFIXES

HINT = "r1 data import --help"
COMMIT = re.compile(r"[0-9a-f]{40}")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.\-]*/[A-Za-z0-9][\w.\-]*")
_CHUNK = 1 << 20
_NO_CARD = Card(license="", configs={}, default="")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which files: a path or hub id, its commit, and the words that choose among them."""

    source: str
    revision: str = ""
    config: str = ""
    split: str = ""


@dataclass(frozen=True, kw_only=True)
class Source:
    """The files of a source, and how rows name it. `revision` is a commit, or the SHA-256 of local content."""

    files: Sequence[Path]
    label: str
    revision: str
    dataset: str = ""  # the hub's id, if it is a hub's
    card: Card = field(default=_NO_CARD)


HubFiles = Callable[[Wanted, Path], Source]  # what is wanted, folder for downloads -> what was downloaded


def find(wanted: Wanted, *, scratch: Path, download: HubFiles) -> Source:
    """The files to read: local ones, or those that `download` brings to `scratch`.

    Raises:
        UserError: nothing local has that name and it is no Hub id with a pinned revision; no file fits.
    """
    local = Path(wanted.source).expanduser()
    if local.exists():
        found = _cached(local, wanted) or _local(local, wanted)
    elif not _HUB_ID.fullmatch(wanted.source):
        raise UserError(f"{wanted.source} is neither a file or folder here nor a Hub id (owner/name)", hint=HINT)
    else:
        found = download(wanted, scratch)
    if not found.files:
        parts = [
            f" of {word} {value!r}" for word, value in (("config", wanted.config), ("split", wanted.split)) if value
        ]
        raise UserError(f"{wanted.source} holds no {', '.join(SUFFIXES)} file{''.join(parts)}", hint=HINT)
    return found


def _local(local: Path, wanted: Wanted) -> Source:
    if local.is_file():
        files = [local] if local.suffix in SUFFIXES else []
        label, revision = f"file:{local.resolve().name}", _sha256(local) if files else ""
        return Source(files=files, label=label, revision=revision)
    by_name, card = _below(local, wanted)
    hashes = sorted((name, _sha256(path)) for name, path in by_name.items())
    return Source(
        files=list(by_name.values()),
        label=f"file:{local.resolve().name}",
        revision=content_id("folder", [hashes]),
        card=card,
    )


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _below(folder: Path, wanted: Wanted) -> tuple[dict[str, Path], Card]:
    """A folder's files of the config and split, by their paths in it, and its card."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    by_name = {path.relative_to(folder).as_posix(): path for path in paths}
    card = read_card(by_name[README]) if README in by_name else _NO_CARD
    data = [name for name in by_name if is_data(name)]
    kept = chosen(data, card, config=wanted.config, split=wanted.split, label=wanted.source)
    return {name: by_name[name] for name in kept}, card


def is_data(name: str) -> bool:
    """Whether a file is data, by its path."""
    path = Path(name)
    return path.suffix in SUFFIXES and not any(part.startswith(".") for part in path.parts)


def _cached(local: Path, wanted: Wanted) -> Source | None:
    """A snapshot in the layout of the Hub's cache (`datasets--OWNER--NAME/snapshots/COMMIT`), or the data set's folder
    there with a revision; None for any other folder."""
    if local.name.startswith("datasets--") and (local / "snapshots").is_dir():
        have = sorted(path.name for path in (local / "snapshots").iterdir())
        if wanted.revision not in have:
            said = "needs a revision" if not wanted.revision else f"lacks the revision {wanted.revision}"
            raise UserError(
                f"{local.name} {said} (here: {', '.join(have)})", hint=f"--revision {have[-1] if have else 'COMMIT'}"
            )
        local = local / "snapshots" / wanted.revision
    at = local.absolute()
    if (
        at.parent.name != "snapshots"
        or not at.parent.parent.name.startswith("datasets--")
        or not COMMIT.fullmatch(at.name)
    ):
        return None
    if wanted.revision not in ("", at.name):
        raise UserError(f"{local} is another revision than {wanted.revision}", hint="leave out --revision")
    dataset = at.parent.parent.name.removeprefix("datasets--").replace("--", "/", 1)
    by_name, card = _below(local, wanted)
    return Source(files=list(by_name.values()), label=f"hub:{dataset}", revision=at.name, dataset=dataset, card=card)


def download(wanted: Wanted, folder: Path) -> Source:
    """Download a Hub data set's files of a config and split. HF_ENDPOINT names another hub.

    Raises:
        UserError: the revision isn't pinned (the hint has the commit that it stands for now), the hub doesn't answer, or
            has no such data set or revision.
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
    dataset, revision = wanted.source, wanted.revision
    if not COMMIT.fullmatch(revision):
        try:
            commit = api.dataset_info(dataset, revision=revision or None).sha
            hint = f"r1 data import {dataset} --revision {commit}   (what {revision or 'main'} is now)"
        except (HfHubHTTPError, ConnectionFailed, OfflineModeIsEnabled):
            hint = "copy the commit from the data set's history, then: r1 data import ... --revision COMMIT"
        raise UserError(
            f"{dataset}: a Hub data set needs a pinned revision (40 hex digits), got {revision!r}", hint=hint
        )
    try:

        def fetch(name: str) -> Path:
            return Path(api.hf_hub_download(dataset, name, revision=revision, repo_type="dataset", local_dir=folder))

        names = sorted(api.list_repo_files(dataset, revision=revision, repo_type="dataset"))
        card = read_card(fetch(README)) if README in names else _NO_CARD
        data = [name for name in names if is_data(name)]
        kept = chosen(data, card, config=wanted.config, split=wanted.split, label=dataset)
        files = [fetch(name) for name in kept]
        return Source(files=files, label=f"hub:{dataset}", revision=revision, dataset=dataset, card=card)
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
            f"{dataset} can't be downloaded: {_first_line(error)}",
            hint="without a network: r1 data import FILE",
        ) from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
