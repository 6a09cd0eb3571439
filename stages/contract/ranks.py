"""Which of a job's processes this one is. `torchrun` says so in the environment; so does Slurm's `srun`, where MASTER_ADDR
is set beside its own variables."""

from collections.abc import Mapping
from dataclasses import dataclass

from stages.contract.errors import UserError

_NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
_SLURM = ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID")


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """Process `rank` of `size`, number `local` on its machine. The first leads: it alone writes what is kept."""

    rank: int = 0
    size: int = 1
    local: int = 0

    @property
    def leads(self) -> bool:
        return self.rank == 0


ALONE = Ranks()


def ranks_of(environment: Mapping[str, str]) -> Ranks:
    """Read an environment.

    Raises:
        UserError: it names some of what it must name, or no numbers.

    >>> ranks_of({"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"})
    Ranks(rank=3, size=4, local=1)
    >>> ranks_of({"SLURM_PROCID": "0", "SLURM_NTASKS": "8"})  # a job of another kind: nobody meets at MASTER_ADDR
    Ranks(rank=0, size=1, local=0)
    """
    names = _NAMES if any(name in environment for name in _NAMES[:2]) else _SLURM
    if names is _SLURM and not ("MASTER_ADDR" in environment and _SLURM[0] in environment):
        return ALONE
    try:
        rank, size, local = (int(environment[name]) for name in names)
    except (KeyError, ValueError) as error:
        raise UserError(
            f"the environment of a job of several processes lacks a number for {', '.join(names)} ({error})",
            hint="start it with torchrun, or unset RANK and WORLD_SIZE",
        ) from error
    return Ranks(rank=rank, size=size, local=local)
