"""`r1 data import`: the tool runs in a process of its own; what it wrote is published, and joins params.yaml."""

from collections.abc import Callable, Mapping
from pathlib import Path

from r1cli import params_file
from r1cli.dispatch.executor import Executor
from r1cli.execute import run_tool
from r1cli.project import Project
from stages.contract.errors import UserError
from stages.contract.files import replace_file


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
    prompts = params_file.read_params(project.params).get("prompts")
    names = prompts.get("imports") if isinstance(prompts, dict) else None
    if not isinstance(names, list):
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
    said = []
    joined = names if name in names else [*names, name]
    edits = [(("prompts", "imports"), joined), (("prompts", "import_roles", name), role)]
    replace_file(project.params, params_file.edit(project.params.read_text(), edits))
    said.append(f"{project.shown(target)} joins the task pool for {role}: r1 run prompts")
    return said
