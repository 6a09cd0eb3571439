"""How artifacts differ from what the working tree would make: code, params, inputs, files. As `r1 status` sees it."""

from pathlib import Path

from r1cli import params_file, pipeline, status
from r1cli.lineage.snapshot import Snapshot
from stages.contract.errors import UserError


def differences(root: Path, found: Snapshot) -> dict[str, list[str]]:
    """Stage name -> what differs; stages that are as the working tree has them are left out.

    Raises:
        UserError: dvc.yaml or params.yaml can't be read.
    """
    listed: dict[str, list[str]] = {}
    values = params_file.read_params(root / "params.yaml")
    for standing in pipeline.standings(root):
        name = standing.stage.name
        if name not in found.artifacts:
            continue
        why = status.reasons(standing)
        if "its code changed" not in why and _code(root, standing.stage.module) != found.artifacts[name].manifest.code:
            why.append("its code changed")
        if why and standing.changed_params:
            why += _params(values, found, name, standing.stage.params)
        if why:
            listed[name] = [f"differs from the working tree: {text}" for text in why]
    return listed


def _code(root: Path, module: str) -> str:
    path = root / "stages" / "code.lock" / module
    return path.read_text().strip() if path.is_file() else ""


def _params(values: dict[str, object], found: Snapshot, name: str, declared: tuple[str, ...]) -> list[str]:
    try:
        now = dict(params_file.flat(params_file.pick(values, declared)))
    except UserError:
        return []
    then = dict(params_file.flat(found.artifacts[name].manifest.params))
    keys = [key for key in {**then, **now} if now.get(key) != then.get(key)]
    return [f"{key} {then.get(key, '-')} -> {now.get(key, '-')}" for key in keys]
