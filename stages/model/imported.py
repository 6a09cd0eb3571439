"""Importing a base model: a local Hugging Face folder, or a Hub id at a pinned revision. Safetensors only."""

import json
import re
import shutil
from pathlib import Path

from stages.contract.errors import UserError

_WANTED = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def import_checkpoint(path: str, revision: str, out: Path) -> None:
    """Copy a checkpoint's config, tokenizer and safetensors weights to `out`.

    Raises:
        UserError: nothing there, pickled weights, or a Hub id without a pinned revision.
    """
    folder = Path(path)
    if not folder.is_dir():
        folder = _download(path, revision)
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        pickled = [p.name for p in folder.glob("*.bin")] + [p.name for p in folder.glob("*.pt")]
        why = f"only pickled weights ({', '.join(sorted(pickled))}), which r1 never loads" if pickled else "no weights"
        raise UserError(
            f"base.path {path}: {why}", hint="convert them to safetensors, then: r1 run base --set base.path=FOLDER"
        )
    missing = [name for name in ("config.json", "tokenizer.json") if not (folder / name).exists()]
    if missing:
        raise UserError(f"base.path {path} lacks {', '.join(missing)}", hint="r1 run base --set base.path=FOLDER")
    try:
        json.loads((folder / "config.json").read_text())
    except json.JSONDecodeError as error:
        raise UserError(
            f"base.path {path}: config.json is no JSON ({error})", hint="r1 run base --set base.path=FOLDER"
        ) from error
    out.mkdir(parents=True, exist_ok=True)
    index = folder / "model.safetensors.index.json"
    for file in [*weights, *(folder / name for name in _WANTED), index]:
        if file.exists():
            shutil.copyfile(file, out / file.name)


def _download(name: str, revision: str) -> Path:
    if not _COMMIT.fullmatch(revision):
        raise UserError(
            f"base.path {name!r} is no folder here, and as a Hub id it needs a pinned revision (got {revision!r})",
            hint="r1 run base --set base.revision=COMMIT_HASH",
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HTTPError  # a lost connection is only the latter

    try:
        return Path(
            snapshot_download(name, revision=revision, allow_patterns=[*_WANTED, "*.safetensors", "*.index.json"])
        )
    except (HfHubHTTPError, HTTPError, OSError, ValueError) as error:
        raise UserError(
            f"the Hub did not give {name}@{revision[:12]} ({type(error).__name__})",
            hint="r1 run base --set base.path=FOLDER",
        ) from error
