"""What this machine has: versions, disk, links, GPU. Everything is looked up, nothing is changed but the link order."""

import errno
import fcntl
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from r1cli import pipeline, release
from r1cli.dispatch import places, settings
from r1cli.project import Project

PACKAGES = (
    "typer",
    "rich",
    "dvc",
    "polars",
    "torch",
    "transformers",
    "safetensors",
    "tokenizers",
    "mpmath",
    "sympy",
    "jinja2",
    "matplotlib",
    "ruamel.yaml",
    "huggingface_hub",
)
OPTIONAL = ("deepspeed", "vllm")
_FICLONE = 0x40049409  # linux/fs.h: share a file's blocks


def facts(root: Path, *, torch: bool) -> list[tuple[str, str]]:
    """What is here, as (what, how it is) lines. `torch` starts a process that imports it, which takes seconds."""
    found = [
        ("r1", release()),
        ("python", f"{platform.python_version()} ({sys.executable})"),
        ("machine", f"{platform.machine()}, {os.cpu_count()} cores"),
    ]
    found += [(name, _version(name) or "missing: pip install -c constraints.txt -e .") for name in PACKAGES]
    found += [(name, _version(name) or "not installed (not needed here)") for name in OPTIONAL]
    found.append(("git", _first_line(["git", "--version"]) or "missing"))
    found.append(("g++", _first_line(["g++", "--version"]) or "not installed (not needed here)"))
    found.append(
        (
            "GPU",
            _first_line(["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"])
            or "none found (not needed by the embedded model)",
        )
    )
    if torch:
        code = "import torch; print(torch.get_num_threads(), 'threads; CUDA:', torch.cuda.is_available())"
        found.append(("torch runs", _first_line([sys.executable, "-c", code]) or "torch can't be imported"))
    found.append(("sandbox", sandbox()))
    found.append(("cache links", link_order(root).replace(",", ", then ")))
    disk = shutil.disk_usage(root)
    found.append(("disk", f"{disk.free / 1e9:.1f} GB free of {disk.total / 1e9:.1f}"))
    return found


def place(project: Project) -> list[tuple[str, str]]:
    """Where stages run by default, and the scheduler that is here.

    Raises:
        UserError: r1.toml is wrong.
    """
    found = places.settings(project)
    wants = found.resources
    shape = f"{wants.nodes} node{'s' if wants.nodes > 1 else ''}, {wants.gpus_per_node} GPUs each"
    others = "".join(f"; {name}: {given.nodes} x {given.gpus_per_node} GPUs" for name, given in found.stages.items())
    places.open_executor(found.executor, found)
    said = "no r1.toml: stages run on this machine"
    if (project.state.parent / settings.NAME).exists():
        said = f"{found.executor}, {shape}{others}"
    return [("stages run on", said), ("Slurm", _first_line(["sinfo", "--version"]) or "not found (not needed here)")]


def sandbox() -> str:
    """The isolation that code from models runs in, and why a stronger one doesn't work."""
    try:
        tiers = json.loads(_first_line([sys.executable, "-m", "stages.sandbox.probe"]))
    except ValueError:
        return "could not be probed: python -m stages.sandbox.probe"
    failed = "; ".join(f"{tier['tier']} doesn't work: {tier['detail']}" for tier in tiers if not tier["works"])
    works = "".join(f"{tier['tier']}, {tier['detail']}" for tier in tiers if tier["works"])
    return f"{works} ({failed})" if works and failed else works or f"none, code tasks are refused ({failed})"


def link_order(root: Path) -> str:
    """How DVC should put files into its cache here, as its `cache.type`: the cheapest way the file system has.

    Hard links come before copies: DVC links instead of copying only what its first type says.
    """
    if _reflinks(root):
        return "reflink,hardlink,copy"
    return "hardlink,copy" if _hard_links(root) else "copy"


def settle_links(root: Path) -> str:
    """Write the link order to .dvc/config.local (this machine's own) where it differs from what holds. Returns it."""
    order = link_order(root)
    code, now = pipeline.call_quietly(root, "config", "cache.type")
    if code != 0 or now != order:
        pipeline.call_quietly(root, "config", "--local", "cache.type", order)
    return order


def _reflinks(root: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=root) as source, tempfile.TemporaryFile(dir=root) as target:
            source.write(b"r1")
            source.flush()
            fcntl.ioctl(target.fileno(), _FICLONE, source.fileno())
            return True
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise
        return False


def _hard_links(root: Path) -> bool:
    with tempfile.TemporaryDirectory(dir=root) as folder:
        source = Path(folder) / "a"
        source.touch()
        try:
            os.link(source, Path(folder) / "b")
        except OSError:
            return False
        return True


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _first_line(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = done.stdout.strip().splitlines()
    return lines[0] if done.returncode == 0 and lines else ""
