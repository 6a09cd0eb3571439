"""`r1 plan`: every stage's work, memory, cost and problems, and the assumptions that they rest on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from r1cli.plan.checks import Problem, check
from r1cli.plan.cost import Cost, cost
from r1cli.plan.memory import Memory, memory, sequences_that_fit
from r1cli.plan.place import Place
from r1cli.plan.work import PROMPT_TOKENS, TEST_PROBLEMS, Work, all_work
from stages.contract.errors import UserError
from stages.contract.params import Params


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One stage's."""

    stage: str
    parameters: int
    memory: Memory
    together: int  # sequences of mean length that one engine decodes at once
    cost: Cost
    problems: tuple[Problem, ...]
    measured: bool  # the sampling rate was measured here

    def as_json(self) -> dict[str, object]:
        """For programs: memory in GB, with its parts."""
        shown = asdict(self)
        shown["memory"] = {**asdict(self.memory), "peak": self.memory.peak}
        shown["cost"] = {**asdict(self.cost), "hours": self.cost.hours, "gpu_hours": self.cost.gpu_hours}
        return shown


def plans(params: Params, place: Place, *, target: str = "", measured: Mapping[str, float] | None = None) -> list[Plan]:
    """The plan of each stage that a target names (all by default). `measured`: tokens a second that stages have sampled.

    Raises:
        UserError: the target holds no model, or a model's shape is unknown.
    """
    works = all_work(params)
    chosen = [work for work in works if not target or target in (work.stage, work.stage.partition("@")[0])]
    if not chosen:
        raise UserError(
            f"{target} needs no plan, or is no stage: it trains and samples nothing",
            hint=f"r1 plan {works[0].stage}" if works else "r1 profile show",
        )
    return [_plan(params, work, place, (measured or {}).get(work.stage, 0.0)) for work in chosen]


def _plan(params: Params, work: Work, place: Place, rate: float) -> Plan:
    batch = params.rollout.batch if params.rollout else 1
    return Plan(
        stage=work.stage,
        parameters=work.model.parameters,
        memory=memory(work, place, decoded_together=batch),
        together=sequences_that_fit(work, place) if not place.embedded and work.draws else 0,
        cost=cost(work, place, keep=params.checkpoints.keep, measured_tokens_per_s=rate),
        problems=tuple(check(work, section_of(params, work.section), place)),
        measured=rate > 0,
    )


def section_of(params: Params, name: str) -> object:
    """The params of a stage: `grpo`, `reward_model.train`, `students.small.distill`."""
    found: object = params
    for key in name.split("."):
        found = found[key] if isinstance(found, dict) else getattr(found, key)
    return found


def assumptions(place: Place) -> list[tuple[str, str]]:
    """What the figures rest on, as (what, how much) lines."""
    device = place.device
    if place.embedded:
        return [
            ("place", f"this machine's cores, {device.flops / 1e9:g} GFLOP/s together, fp32, one process"),
            ("answers", f"{place.mean_share:.0%} of the longest allowed, on average"),
        ]
    latency = f"{place.token_s * 1e3:.1f} ms a token" if place.token_s else "from the weights' bytes"
    return [
        ("place", f"{place.nodes} x {place.gpus_per_node} {device.name}, {device.memory_gb:g} GB each"),
        ("device", f"{device.flops / 1e12:g} TFLOP/s dense bf16, {device.bandwidth / 1e12:g} TB/s"),
        ("training", f"ZeRO-{place.zero}{' with offload' if place.offload else ''}, bf16, AdamW in fp32, activations "
            f"computed again, {place.train_use:.0%} of the operations used, {place.sequence_parallel} GPUs a sequence"),
        ("sampling", f"{place.tensor_parallel or 'as few GPUs as hold half'} a copy of the model, {place.sample_use:.0%} of the operations used "
            f"by full batches, one sequence alone {latency}"),
        ("answers", f"{place.mean_share:.0%} of the longest allowed, on average; prompts of {PROMPT_TOKENS} tokens; a "
            f"round of samples takes as long as its longest; {TEST_PROBLEMS} test problems where params say all"),
        ("memory", f"{place.memory_use:.0%} of a GPU's may be taken; training and sampling take turns; logits of "
            f"{place.logit_tokens} tokens at once"),
        ("not covered", "rewards, loading, moving weights between training and sampling, restarts, idle nodes"),
    ]  # fmt: skip
