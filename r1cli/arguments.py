"""What several commands take on the command line."""

from pathlib import Path
from typing import Annotated

import typer

from r1cli.project import find_project
from stages.contract.errors import UserError


def stage_names(incomplete: str) -> list[str]:
    """Shell completion: `all` and the names in dvc.yaml."""
    from r1cli.params_file import read_params

    try:
        stages = read_params(find_project(Path.cwd()).root / "dvc.yaml").get("stages")
    except UserError:
        return []
    return [name for name in ["all", *(stages if isinstance(stages, dict) else ())] if str(name).startswith(incomplete)]


def profile_names(incomplete: str) -> list[str]:
    """Shell completion: the profiles."""
    from r1cli.params_file import profile_names as names

    try:
        return [name for name in names(find_project(Path.cwd()).profiles) if name.startswith(incomplete)]
    except UserError:
        return []


Target = Annotated[
    str,
    typer.Argument(metavar="STAGE|all", help="A stage, an item (distill@small), or all.", autocompletion=stage_names),
]
