"""From a finished work folder to the outs that DVC knows: hard links, so that a checkpoint costs no second copy.

Published files share their bytes with the work folder and with DVC's cache: never open one for append.
"""

import errno
import os
import shutil
from pathlib import Path

from r1cli.pipeline import Stage
from stages.contract.errors import UserError

_NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS)


def publish_stage(stage: Stage, work: Path, root: Path) -> None:
    """Put a stage's outs, metrics and plots where dvc.yaml declares them. Doing it twice changes nothing.

    Raises:
        UserError: the stage finished without something it declares.
        OSError: a full disk; the work folder still holds everything.
    """
    pairs = [(work / "metrics.json", root / path) for path in stage.metrics]
    pairs += [(work / "plots" / Path(path).name, root / path) for path in stage.plots]
    for source, target in pairs:
        if not source.is_file():
            raise UserError(
                f"{stage.name} finished without writing {target.relative_to(root)}",
                hint="r1 --debug run ...: this is a fault of r1",
            )
    for path in stage.outs:
        link_tree(work / "out", root / path)
    for source, target in pairs:
        link_file(source, target)


def link_tree(source: Path, target: Path) -> None:
    """Make `target` hold exactly the files of `source`."""
    wanted = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    if target.is_symlink() or target.is_file():
        target.unlink()
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(target.rglob("*"), reverse=True):  # what a folder holds comes before the folder
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(target) not in wanted:
            path.unlink()
    for name in sorted(wanted):
        link_file(source / name, target / name)


def link_file(source: Path, target: Path) -> None:
    """Make `target` the same file as `source`; a copy where the file system can't link. It is replaced whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # Renaming one of two links of a file onto the other does nothing, and would leave the scratch name behind.
    if target.exists() and target.samefile(source):
        return
    scratch = target.with_name(f".{target.name}.part")
    scratch.unlink(missing_ok=True)
    try:
        try:
            os.link(source, scratch)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            shutil.copyfile(source, scratch)
        os.replace(scratch, target)
    finally:
        scratch.unlink(missing_ok=True)
