"""`r1 data import`: the tool runs in a process of its own; what it wrote is published, and joins params.yaml."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_args, get_type_hints

from r1cli import params_file
from r1cli.dispatch.executor import Executor
from r1cli.execute import run_tool
from r1cli.project import Project
from stages.contract.errors import UserError
from stages.contract.files import replace_file
from stages.contract.params import Params


def bring_in(
    project: Project,
    arguments: Mapping[str, str],
    *,
    executor: Executor,
    show: Callable[[Mapping[str, float]], None],
) -> list[str]:
    """Import a source and return what is to be said of it. `arguments` are those of stages/import_data.py; `source` is
    a path here or a Hub id.

    Raises:
        UserError: params.yaml has no place for it, or the tool says what is wrong with the source.
    """
    values = params_file.read_params(project.params)
    pool = _names(values, "prompts")
    if pool is None:
        raise UserError("params.yaml lacks prompts.imports", hint="r1 profile show")
    local = Path(arguments["source"]).expanduser()
    given = {**arguments, "source": str(local.resolve())} if local.exists() else dict(arguments)
    name, role = arguments["name"], arguments["role"]
    target = project.data / "imports" / name
    found: dict[str, float] = {}
    run_tool(
        project, "import_data", given, executor=executor, target=target, online=not local.exists(), show=found.update
    )
    show(found)
    edits: list[tuple[tuple[str, ...], object]] = []
    said = []
    if found.get("tasks", 1) or role == "held_out":
        edits += [(("prompts", "imports"), _with(pool, name)), (("prompts", "import_roles", name), role)]
        joins = "is held out from all training" if role == "held_out" else f"joins the task pool for {role}"
        said.append(f"{project.shown(target)} {joins}: r1 run prompts")
    tables = {"traces": "traces", "general": "general rows"}
    said += [f"{found[t]:,.0f} {words}: r1 data show {name}/{t}" for t, words in tables.items() if found.get(t)]
    mixed = _names(values, "rejection")
    if any(map(found.get, tables)) and role == "train" and mixed is not None:
        edits.append((("rejection", "imports"), _with(mixed, name)))
        said.append("they join the rejection rows: r1 run rejection")
    replace_file(project.params, params_file.edit(project.params.read_text(), edits))
    return said


def _names(values: Mapping[str, object], section: str) -> list[object] | None:
    """The imports that a section of params.yaml names, if it is there and may name any."""
    found = values.get(section)
    if not isinstance(found, dict):
        return None
    kinds = get_type_hints(Params)[section]
    takes = any(
        is_dataclass(kind) and "imports" in {f.name for f in fields(kind)} for kind in (kinds, *get_args(kinds))
    )
    names = found.get("imports", [] if takes and section != "prompts" else None)
    return names if isinstance(names, list) else None


def _with(names: list[object], name: str) -> list[object]:
    return names if name in names else [*names, name]
