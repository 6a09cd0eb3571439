"""Training over several processes with DeepSpeed: ZeRO stages 1 to 3, offload to the CPU, bfloat16.

A micro-batch goes to one process. The loss of each is already divided by the whole batch's tokens or rows, so gradients
are added, not averaged: the result is that of one process, whatever each was given. A process without a part of its own
in a round follows with another's, times zero, because ZeRO's collectives need everyone.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from stages.contract.params import Trainer
from stages.contract.phases import phases
from stages.contract.ranks import Ranks
from stages.model import adapters
from stages.model.collectives import announced
from stages.model.optimiser import Hyper, Live, Streamed, adamw, set_rate
from stages.model.processes import Processes, device_of
from stages.model.shards import Spec

if not torch.cuda.is_available():
    os.environ.setdefault("DS_ACCELERATOR", "cpu")  # before the first import: it looks for accelerators once
import deepspeed
from deepspeed.utils import (
    safe_get_full_fp32_param,
    safe_get_full_optimizer_state,
    safe_get_local_fp32_param,
    safe_get_local_optimizer_state,
    safe_set_full_fp32_param,
    safe_set_full_optimizer_state,
)

# Only inference takes it. It would be compiled here, and a process killed meanwhile leaves a lock that all later ones wait at.
deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False

P = TypeVar("P")
R = TypeVar("R")
MOMENTS = ("exp_avg", "exp_avg_sq")
COLLECTIVE_S = 7200  # a process may sample, grade or write for long while the others wait


def connect(ranks: Ranks) -> Processes:
    """Join the job's other processes: NCCL where there are GPUs, else gloo. DeepSpeed needs it for one process too."""
    alone = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0", "RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}
    for name, value in (alone if ranks.size == 1 else {"RANK": str(ranks.rank), "WORLD_SIZE": str(ranks.size)}).items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("LOCAL_RANK", str(ranks.local))
    if not torch.distributed.is_initialized():
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # it only costs time
        if torch.cuda.is_available():
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # or cuBLAS may choose otherwise each time
            torch.cuda.set_device(device_of(ranks))
        backend = "nccl" if torch.cuda.is_available() else "gloo"
        torch.distributed.init_process_group(
            backend,
            rank=ranks.rank,
            world_size=ranks.size,
            timeout=timedelta(seconds=COLLECTIVE_S),
            store=torch.distributed.HashStore() if ranks.size == 1 else None,
        )
        deepspeed.init_distributed(backend, verbose=False)
        announced(deepspeed.comm.comm.cdb)
    return Processes(ranks)


def config_of(settings: Trainer, *, max_grad_norm: float) -> dict[str, object]:
    """DeepSpeed's configuration."""
    zero: dict[str, object] = {"stage": settings.zero_stage, "contiguous_gradients": True, "reduce_scatter": True}
    if settings.offload != "none":
        zero["offload_optimizer"] = {"device": "cpu"}
    if settings.offload == "all":
        zero["offload_param"] = {"device": "cpu"}
    return {
        "train_micro_batch_size_per_gpu": 1,  # unused: batches are cut by tokens
        "gradient_accumulation_steps": 1,  # likewise: `accumulate` says which backward pass is the last
        "gradient_clipping": max_grad_norm,
        "bf16": {"enabled": settings.dtype == "bfloat16"},
        "data_types": {"grad_accum_dtype": "fp32"},
        "communication_data_type": "fp32",
        "zero_optimization": zero,
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,  # torch's AdamW runs on offloaded tensors too, and needs no compiler
        "steps_per_print": 1 << 30,
    }


class Sharded:
    """A model, and once started its optimiser, in parts over the processes. Also the training's `Optimisation`."""

    def __init__(
        self, model: nn.Module, settings: Trainer, processes: Processes, *, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.module, self.settings, self.processes = model, settings, processes
        self.device, self.dtype = device, dtype
        self._engine: deepspeed.DeepSpeedEngine | None = None
        self._idle: torch.device | None = None  # where a frozen model waits while it isn't used
        self._build: Callable[[], nn.Module] | None = None

    @property
    def engine(self) -> "deepspeed.DeepSpeedEngine":
        assert self._engine is not None, "optimisation() comes first"
        return self._engine

    # -- training ---------------------------------------------------------------------------------

    def start(self, settings: Hyper) -> None:
        """Make the optimiser and give every process its parts."""
        if self.settings.gradient_checkpointing:
            inner = cast(nn.Module, self.module.inner)
            inner.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})  # type: ignore[operator]
        trained = [p for p in self.module.parameters() if p.requires_grad]
        optimiser = adamw(trained, betas=settings.betas, weight_decay=settings.weight_decay)
        self._engine, *_ = deepspeed.initialize(
            model=self.module,
            optimizer=optimiser,
            config=config_of(self.settings, max_grad_norm=settings.max_grad_norm),
        )
        _begin(self._engine)
        self.module.train()

    def __call__(self, *inputs: Tensor | float | None) -> tuple[Tensor, Tensor]:
        """The model's forward pass, of inputs that lie anywhere."""
        with self._awake():
            there = [x.to(self.device) if isinstance(x, Tensor) else x for x in inputs]
            found: tuple[Tensor, Tensor] = (self._engine or self.module)(*there)
            return found

    def accumulate(self, parts: Sequence[P], loss_of: Callable[[P], tuple[Tensor, R]]) -> list[R]:
        """Leave the gradient of the sum of the parts' losses for `update`; the parts' other results in their order."""
        found: list[R] = []
        rounds = -(-len(parts) // self.processes.size)
        for turn in range(rounds):
            self.engine.set_gradient_accumulation_boundary(turn + 1 == rounds)
            part, mine = self._part(parts, turn)
            loss, result = loss_of(part)
            # DeepSpeed divides by the number of processes.
            self.engine.backward(loss * (self.processes.size if mine else 0), scale_wrt_gas=False)
            found += [result] if mine else []
            self._settle()
        return self._together(found, len(parts))

    @torch.no_grad()
    def measure(self, parts: Sequence[P], figure_of: Callable[[P], R]) -> list[R]:
        """What `figure_of` finds for each part, in their order, without gradients."""
        found: list[R] = []
        for turn in range(-(-len(parts) // self.processes.size)):
            part, mine = self._part(parts, turn)
            result = figure_of(part)
            found += [result] if mine else []
        return self._together(found, len(parts))

    def update(self, lr: float) -> float:
        set_rate(self.engine.optimizer, lr)
        self.engine.step()
        return float(self.engine.get_global_grad_norm())

    def _settle(self) -> None:
        """Wait for the other processes, where a GPU would leave that to whoever next asks it for a number."""
        if self.device.type == "cuda" and self.processes.size > 1:
            with phases("collective"):
                torch.cuda.synchronize()

    def _part(self, parts: Sequence[P], turn: int) -> tuple[P, bool]:
        """This process's part of a round, or the round's first and that it is another's."""
        first = turn * self.processes.size
        place = first + self.processes.rank
        return (parts[place], True) if place < len(parts) else (parts[first], False)

    def _together(self, found: list[R], count: int) -> list[R]:
        shares = self.processes.all(found)
        return [shares[place % self.processes.size][place // self.processes.size] for place in range(count)]

    @contextmanager
    def _awake(self) -> Iterator[None]:
        """While this lasts, a model that waits elsewhere lies where it is computed with."""
        if self._idle:
            self.module.to(self.device)
        yield
        if self._idle:
            self.module.to(self._idle)

    # -- what is kept -----------------------------------------------------------------------------

    def live(self) -> Mapping[str, Live]:
        return {"sharded": _State(self)}

    def weights(self) -> Live:
        return _Weights(self)

    def whole(self) -> Streamed:
        """The weights as a checkpoint has them, under Hugging Face's names, adapters merged."""
        return _Weights(self, merged=True)

    def frozen_copy(self) -> "Sharded":
        """A copy of the weights that is never trained."""
        twin = self._again()
        twin.freeze()
        theirs = dict(twin.module.named_parameters())
        for name, tensor in zip((spec.name for spec in _Weights(self).specs()), _Weights(self).tensors(), strict=True):
            _fill(theirs[name], tensor)
        return twin

    def freeze(self) -> None:
        """Never train it. Under ZeRO-3 it then lies in parts too; `reference: cpu` keeps it in the CPU's memory while it
        isn't used."""
        self.module.requires_grad_(False)
        on_cpu = self.settings.reference == "cpu"
        if self.settings.zero_stage == 3:
            config = config_of(self.settings, max_grad_norm=0.0)
            zero: dict[str, object] = {"stage": 3, **({"offload_param": {"device": "cpu"}} if on_cpu else {})}
            self._engine, *_ = deepspeed.initialize(model=self.module, config={**config, "zero_optimization": zero})
        elif on_cpu:
            self._idle = torch.device("cpu")
            self.module.to(self._idle)
        self.module.eval()

    def _again(self) -> "Sharded":
        assert self._build is not None
        return open_model(self._build, self.settings, self.processes, device=self.device)


def open_model(
    build: Callable[[], nn.Module], settings: Trainer, processes: Processes, *, device: torch.device
) -> Sharded:
    """A model that `build` makes, the same in every process."""
    made = Sharded(build(), settings, processes, device=device, dtype=getattr(torch, settings.dtype))
    made._build = build
    made.module.to(device)
    return made


def open_sharded(build: Callable[[], nn.Module], settings: Trainer, ranks: Ranks, processes: Processes) -> Sharded:
    """A model that is to be trained, with adapters where the settings ask for them."""

    def adapted() -> nn.Module:
        return adapters.adapted(build(), settings.lora) if settings.lora else build()

    return open_model(adapted, settings, processes, device=device_of(ranks))


def open_frozen(build: Callable[[], nn.Module], settings: Trainer, ranks: Ranks, processes: Processes) -> Sharded:
    """A model that is never trained."""
    made = open_model(build, settings, processes, device=device_of(ranks))
    made.freeze()
    return made


class _Weights:
    """All weights of a model, or those of a checkpoint: adapters `merged`, under Hugging Face's names."""

    def __init__(self, model: Sharded, *, merged: bool = False) -> None:
        self.model, self.merged = model, merged

    def _named(self) -> dict[str, nn.Parameter]:
        named = dict(self.model.module.named_parameters())
        if not self.merged:
            return named
        return {name: p for name, p in named.items() if not adapters.is_adapter(name)}

    def specs(self) -> list[Spec]:
        return [
            Spec(
                name=adapters.plain_name(name) if self.merged else name,
                shape=_shape(parameter),
                dtype=self.model.dtype if self.merged else _kept_dtype(parameter),
            )
            for name, parameter in self._named().items()
        ]

    def tensors(self) -> Iterator[Tensor]:
        layers = adapters.layers(self.model.module) if self.merged else {}
        for name, parameter in self._named().items():
            tensor = _full(parameter)
            if layer := layers.get(name):
                tensor = tensor + adapters.change(layer, _full)
            yield tensor

    @torch.no_grad()
    def put(self, read: Callable[[str], Tensor]) -> None:
        for name, parameter in self._named().items():
            _fill(parameter, read(name))


class _State:
    """What training changes: the trained weights in float32, AdamW's moments, its count of steps.

    Each tensor is whole when it is written and cut anew when it is read: any number of processes goes on from it.
    """

    def __init__(self, model: Sharded) -> None:
        self.model = model

    def _trained(self) -> list[tuple[str, nn.Parameter]]:
        return [(name, p) for name, p in self.model.module.named_parameters() if p.requires_grad]

    def specs(self) -> list[Spec]:
        kinds = ("weight", *MOMENTS)
        tensors = [
            Spec(name=f"{name}:{kind}", shape=_shape(p), dtype=torch.float32)
            for name, p in self._trained()
            for kind in kinds
        ]
        return [*tensors, Spec(name="steps", shape=(1,), dtype=torch.int64)]

    def tensors(self) -> Iterator[Tensor]:
        for _, parameter in self._trained():
            yield _full(parameter)
            for moment in MOMENTS:
                yield _full_moment(parameter, moment)
        yield torch.tensor([self._steps()])

    @torch.no_grad()
    def put(self, read: Callable[[str], Tensor]) -> None:
        for name, parameter in self._trained():
            _fill(parameter, read(f"{name}:weight"))
            for moment in MOMENTS:
                _fill_moment(parameter, moment, read(f"{name}:{moment}"))
        steps = int(read("steps"))
        for state in _states(self.model.engine):
            state["step"] = torch.tensor(float(steps))

    def _steps(self) -> int:
        return max((int(state["step"]) for state in _states(self.model.engine) if "step" in state), default=0)


def _begin(engine: "deepspeed.DeepSpeedEngine") -> None:
    """Give the optimiser its states. ZeRO has none before the first update, so none could be taken over; or it makes them by
    a step without gradients, which would count as one."""
    inner = engine.optimizer.optimizer
    flat = getattr(engine.optimizer, "fp32_partitioned_groups_flat", None)  # ZeRO 3 shows its optimiser one at a time
    for part in flat or (part for group in inner.param_groups for part in group["params"]):
        if not inner.state[part]:
            inner.state[part] |= {moment: torch.zeros_like(part) for moment in MOMENTS}
    for state in _states(engine):
        state["step"] = torch.zeros(())
    if link := getattr(engine.optimizer, "_lazy_init_hp_params_optimizer_state", None):
        link()


def _states(engine: "deepspeed.DeepSpeedEngine") -> list[dict[str, Tensor]]:
    """AdamW's own states: one a flat part of this process."""
    return list(engine.optimizer.optimizer.state.values())


def _sharded(parameter: nn.Parameter) -> bool:
    return hasattr(parameter, "ds_id")


def _shape(parameter: nn.Parameter) -> tuple[int, ...]:
    return tuple(getattr(parameter, "ds_shape", parameter.shape))


def _kept_dtype(parameter: nn.Parameter) -> torch.dtype:
    return torch.float32 if parameter.requires_grad else parameter.dtype


def _full(parameter: nn.Parameter) -> Tensor:
    """A parameter whole, in float32 where it is trained: in every process, on the CPU."""
    trained: Tensor | None = safe_get_full_fp32_param(parameter) if parameter.requires_grad else None
    if trained is not None:
        return trained.detach().cpu()
    with deepspeed.zero.GatheredParameters([parameter], enabled=_sharded(parameter)):
        return parameter.detach().to("cpu", copy=True)


def _full_moment(parameter: nn.Parameter, name: str) -> Tensor:
    found: Tensor = safe_get_full_optimizer_state(parameter, name)
    return found.detach().cpu()


@torch.no_grad()
def _fill(parameter: nn.Parameter, whole: Tensor) -> None:
    """Give a parameter, or this process's part of it, other values: the copy that is computed with, and the one in float32
    that is trained."""
    if _sharded(parameter):
        kept = parameter.ds_tensor  # type: ignore[attr-defined]
        kept.data.copy_(_part(whole, kept.numel()).to(kept))
        if parameter.requires_grad:
            master = safe_get_local_fp32_param(parameter)
            master.data.copy_(_part(whole, master.numel()).to(master))
        return
    parameter.data.copy_(whole)
    if parameter.requires_grad:
        safe_set_full_fp32_param(parameter, whole.to(parameter.device, torch.float32))


@torch.no_grad()
def _fill_moment(parameter: nn.Parameter, name: str, whole: Tensor) -> None:
    if _sharded(parameter):
        part = safe_get_local_optimizer_state(parameter, name)
        part.data.copy_(_part(whole, part.numel()).to(part))
        return
    safe_set_full_optimizer_state(parameter, whole.to(parameter.device, torch.float32), name)


def _part(whole: Tensor, count: int) -> Tensor:
    """This process's `count` elements; the last process's are padded."""
    begin = torch.distributed.get_rank() * count
    part = whole.reshape(-1)[begin : begin + count]
    return torch.nn.functional.pad(part, (0, count - len(part)))
