"""The project folder: where it is, and whether a pipeline can run in it."""

import importlib.util
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from stages.contract.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Project:
    """A folder with a dvc.yaml. `state` holds what is of this machine only: work folders and run records."""

    root: Path
    state: Path

    @property
    def params(self) -> Path:
        return self.root / "params.yaml"

    @property
    def profiles(self) -> Path:
        return self.root / "profiles"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def work(self) -> Path:
        return self.state / "work"

    @property
    def runs(self) -> Path:
        return self.state / "runs"

    def shown(self, path: Path) -> str:
        """A path as the user would type it in the project folder."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)


def find_project(start: Path) -> Project:
    """The project that a folder belongs to.

    Experiments that DVC runs in a temporary folder share the work folders of the project that they came
    from, which DVC names in DVC_ROOT: a killed one is resumed wherever it is started again.

    Raises:
        UserError: neither the folder nor one above it holds a dvc.yaml.
    """
    for folder in (start, *start.parents):
        if (folder / "dvc.yaml").is_file():
            return Project(root=folder, state=Path(os.environ.get("DVC_ROOT") or folder) / ".r1")
    raise UserError(
        f"{start} is in no r1 project: there is no dvc.yaml here or above", hint="cd to the folder you cloned r1 to"
    )


def check_tools(project: Project) -> None:
    """Check that git and DVC are there and that the folder is a repository of both.

    Raises:
        UserError: naming what is missing.
    """
    if shutil.which("git") is None:
        raise UserError("git is not installed", hint="install git with your system's package manager")
    inside = subprocess.run(["git", "rev-parse", "--git-dir"], cwd=project.root, capture_output=True, text=True)
    if inside.returncode != 0:
        raise UserError(f"{project.root} is no git repository, which DVC needs", hint="git init")
    if importlib.util.find_spec("dvc") is None:
        raise UserError("DVC is not installed beside r1", hint="pip install -c constraints.txt -e .")
    if not (project.root / ".dvc").is_dir():
        raise UserError(
            f"{project.root} is no DVC repository: .dvc is missing", hint="git checkout -- .dvc   (or: dvc init)"
        )
