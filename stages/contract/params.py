"""The params of every stage: one strict dataclass a section of `params.yaml`. Values live in that file only.

`parse` refuses unknown keys, missing keys, wrong types and impossible values, before anything runs.
What the paper leaves unsaid is marked "paper: unspecified".
"""

import dataclasses
import difflib
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from stages.contract.errors import UserError


@dataclass(frozen=True, kw_only=True)
class World:
    """The embedded synthetic world."""

    families: dict[str, float]  # share of each problem family
    difficulties: list[int]  # numbers of operations
    chinese: float  # share of prompts in Chinese
    documents: int  # pre-training documents
    general: float  # share of general (non-reasoning) documents among them


@dataclass(frozen=True, kw_only=True)
class Prompts:
    train: int
    validation: int
    test: int
    general_held_out: float  # share of the general prompts' subjects held out for validation, and as many for test
    imports: list[str]  # folders below data/imports/ whose tasks join the pool
    import_roles: dict[str, str]  # import name -> train | validation | test | held_out
    ngram: int  # word n-gram for decontamination
    forget: list[str] = field(default_factory=list)  # ids of rows that are dropped here (`r1 forget`)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A tiny model's shape (Qwen3 architecture)."""

    hidden: int
    layers: int
    heads: int
    head_dim: int
    feed_forward: int
    rope_theta: float
    max_positions: int


@dataclass(frozen=True, kw_only=True)
class Pretrain:
    steps: int
    tokens_per_step: int
    lr_matrix: float  # Muon, for the matrices
    lr_other: float  # AdamW, for embeddings and norms
    warmup_steps: int
    decay_from: float  # part of the run after which the rate falls linearly to 0
    betas: list[float]


@dataclass(frozen=True, kw_only=True)
class Base:
    """The base model: `pretrain` a tiny one, or import `path` (a local folder or a Hub id with a revision)."""

    source: Literal["pretrain", "import"]
    path: str
    revision: str  # the Hub commit; a local folder (/..., ./..., ../...) has none
    vocabulary: int = 0  # this and what follows: pretrain only
    shape: Shape | None = None
    pretrain: Pretrain | None = None

    def __post_init__(self) -> None:
        if self.source == "pretrain":
            whole = self.vocabulary > 0 and self.shape is not None and self.pretrain is not None
            _check(whole, "source pretrain needs vocabulary, shape and pretrain")
            return
        _check(bool(self.path), "path must name a local folder or a Hub model")
        _check(
            self.path.startswith(("/", "./", "../")) or re.fullmatch("[0-9a-f]{40}", self.revision) is not None,
            f"revision must be the commit of {self.path}, 40 hexadecimal digits: a branch or tag moves under the run",
        )


@dataclass(frozen=True, kw_only=True)
class VLLM:
    """What of vLLM's settings decides results. Where its servers are, and its memory: docs/engines.md."""

    dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16"
    tensor_parallel: int = 1  # GPUs that one model is spread over
    max_tokens: int = 0  # of a prompt with its answer; 0: all of the model's positions
    stop: list[str] = field(default_factory=list)  # texts that end an answer, beside the end token

    def __post_init__(self) -> None:
        _check(self.tensor_parallel >= 1, "tensor_parallel must be at least 1")
        _check(self.max_tokens >= 0, "max_tokens must be at least 0")
        _check(all(self.stop), "stop must not hold an empty text: it would end every answer")


@dataclass(frozen=True, kw_only=True)
class Skew:
    """RL stops where the engine's log-probabilities are not the trainer's (stages/rl/skew.py)."""

    every: int = 50  # steps between comparisons; the first two rollouts are always compared
    samples: int = 16  # completions compared
    max_gap: float = 0.05  # mean absolute difference a token, in nats

    def __post_init__(self) -> None:
        _check(self.every >= 1, "every must be at least 1")
        _check(self.samples >= 1, "samples must be at least 1")
        _check(self.max_gap > 0, "max_gap must be above 0")


@dataclass(frozen=True, kw_only=True)
class Rollout:
    engine: Literal["embedded", "vllm"]
    template: Literal["tiny", "r1_zero", "chat"]
    batch: int  # sequences decoded together by the embedded engine
    vllm: VLLM = field(default_factory=VLLM)
    skew: Skew = field(default_factory=Skew)


@dataclass(frozen=True, kw_only=True)
class Lora:
    rank: int
    alpha: float
    targets: list[str] = field(default_factory=list)  # names of matrices (q_proj); empty: all of the layers'

    def __post_init__(self) -> None:
        _check(self.rank >= 1, "rank must be at least 1")
        _check(self.alpha > 0, "alpha must be above 0")


@dataclass(frozen=True, kw_only=True)
class Trainer:
    """What trains: `embedded` is this process and its threads; `deepspeed` any number of processes (docs/training.md),
    which what follows is for."""

    engine: Literal["embedded", "deepspeed"] = "embedded"
    zero_stage: int = 2  # what lies in parts: 1 the optimiser's state, 2 gradients too, 3 weights too
    offload: Literal["none", "optimizer", "all"] = "none"  # what lies in the CPU's memory; all: weights too (stage 3)
    dtype: Literal["float32", "bfloat16"] = "float32"
    gradient_checkpointing: bool = False
    packing: bool = False  # sequences one after the other instead of padded
    reference: Literal["device", "cpu"] = "device"  # where the KL term's reference waits
    lora: Lora | None = None

    def __post_init__(self) -> None:
        _check(self.zero_stage in (1, 2, 3), f"zero_stage is {self.zero_stage}; it must be 1, 2 or 3")
        _check(
            self.offload != "all" or self.zero_stage == 3, "offload all needs zero_stage 3: weights lie in parts there"
        )


@dataclass(frozen=True, kw_only=True)
class Objective:
    """The GRPO objective's options, named as the field names them. See stages/rl/objective.py."""

    adv_scale: Literal["none", "group_std", "batch_std"]
    agg: Literal["seq_mean", "token_mean", "const"]
    agg_tokens: int  # the constant for `agg: const`
    loss: Literal["clip", "cispo"]
    ratio: Literal["token", "sequence"]
    clip_low: float  # ratios below 1 - clip_low are clipped
    clip_high: float  # ratios above 1 + clip_high are clipped
    dual_clip: float  # caps ratio for negative advantages; 0: off
    kl: Literal["none", "k2", "k3", "k3_is"]
    kl_beta: float
    tis: Literal["none", "token", "sequence"]  # truncated importance sampling, engine against trainer
    tis_cap: float

    def __post_init__(self) -> None:
        _check(self.agg_tokens >= 1, "agg_tokens must be at least 1")
        _check(self.clip_low >= 0, "clip_low must be at least 0")
        _check(self.clip_high >= 0, "clip_high must be at least 0")
        _check(self.dual_clip == 0 or self.dual_clip > 1, "dual_clip must be 0 (off) or above 1")
        _check(self.kl_beta >= 0, "kl_beta must be at least 0")
        _check(self.tis_cap > 0, "tis_cap must be above 0")


@dataclass(frozen=True, kw_only=True)
class Reward:
    """Weights of the reward's parts. The paper adds accuracy and format with the same weight."""

    accuracy: float
    format: float
    language: float
    preference: float  # reward model's score, general prompts only
    overlong: float  # soft penalty over the last part of the allowed length; 0: off
    combine: Literal["sum", "normalize_then_sum"]  # weigh and add rewards (the paper), or each part's advantage (GDPO)


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """From this step on, at most so many new tokens."""

    from_step: int
    max_new_tokens: int


@dataclass(frozen=True, kw_only=True)
class RL:
    steps: int  # policy updates
    prompts_per_step: int
    group_size: int
    steps_per_rollout: int  # updates made from one rollout
    lengths: list[Stretch]
    temperature: float
    top_p: float
    lr: float
    lr_end: float  # share of lr at the last step, reached linearly
    warmup_steps: int
    betas: list[float]
    weight_decay: float
    max_grad_norm: float
    reference_every: int  # steps between copies of the policy into the reference
    drop_zero_variance: bool
    micro_tokens: int  # padded tokens in one forward pass
    validate_every: int
    validate_problems: int
    keep_rollouts: int  # write every n-th rollout step's rows
    objective: Objective
    reward: Reward

    def __post_init__(self) -> None:
        _check(self.steps >= 1, "steps must be at least 1")
        _check(self.group_size >= 2, "group_size must be at least 2: an advantage compares a group's answers")
        _check(self.prompts_per_step >= 1, "prompts_per_step must be at least 1")
        _check(self.steps_per_rollout >= 1, "steps_per_rollout must be at least 1")
        _check(self.temperature > 0, "temperature must be above 0")
        _check(self.top_p == 1.0, "top_p must be 1 in RL: a truncated sampler's probabilities are not the policy's")
        _check(self.lr > 0, "lr must be above 0")
        _check(bool(self.lengths) and self.lengths[0].from_step == 0, "lengths must start with from_step: 0")


@dataclass(frozen=True, kw_only=True)
class Align(RL):
    general_from: float  # part of the run after which general prompts and the reward models join (paper: 1300/1700)
    general_share: float  # share of general prompts in a step from then on (paper: unspecified)


@dataclass(frozen=True, kw_only=True)
class SFT:
    epochs: int
    batch_size: int
    lr: float
    lr_end: float  # share of lr that the cosine ends at
    warmup_steps: int
    betas: list[float]
    weight_decay: float
    max_grad_norm: float
    max_tokens: int
    micro_tokens: int

    def __post_init__(self) -> None:
        _check(self.epochs >= 1, "epochs must be at least 1")
        _check(self.batch_size >= 1, "batch_size must be at least 1")
        _check(self.lr > 0, "lr must be above 0")


@dataclass(frozen=True, kw_only=True)
class Sampling:
    draws: int  # answers a prompt
    temperature: float
    top_p: float
    max_new_tokens: int

    def __post_init__(self) -> None:
        _check(self.draws >= 1, "draws must be at least 1")
        _check(self.temperature > 0, "temperature must be above 0")
        _check(0 < self.top_p <= 1, "top_p must be in (0, 1]")


@dataclass(frozen=True, kw_only=True)
class Curation:
    """What rows for fine-tuning must be. What isn't said is off. paper: all thresholds unspecified"""

    keep_per_prompt: int
    max_repetition: float  # share of repeated n-grams above which a trace is unreadable
    near_duplicates: float = 0.0  # similarity from which on one of two rows is dropped; 0: equal ones only
    ngram: int = 10  # no row holds an n-gram of an imported benchmark
    max_tokens: int = 0  # of a response; 0: any number
    min_words: int = 0
    pass_rate: list[float] = field(default_factory=lambda: [0.0, 1.0])  # share of a prompt's draws that may be right
    imports: list[str] = field(default_factory=list)  # folders below data/imports/ whose traces join
    licenses: list[str] = field(default_factory=list)  # of imported traces, those that may join; none: any
    forget: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        low_high = self.pass_rate
        _check(
            len(low_high) == 2 and 0 <= low_high[0] <= low_high[1] <= 1, "pass_rate must be two shares, low and high"
        )
        _check(0 <= self.near_duplicates <= 1, "near_duplicates must be in [0, 1]")
        _check(self.ngram >= 1, "ngram must be at least 1")


@dataclass(frozen=True, kw_only=True)
class ColdStart(Curation):
    prompts: int
    sampling: Sampling


TABLE_5 = {"math": 395285, "code": 211129, "stem": 10124, "logic": 10395, "general": 177812}  # paper: Table 5, rows


@dataclass(frozen=True, kw_only=True)
class Rejection(Curation):
    prompts: int
    general: int  # rows of general capability (the paper's 200K)
    sampling: Sampling
    max_paragraph: int  # characters in one paragraph of a thought
    min_language: float  # traces of lower language consistency are dropped
    total: int = 0  # rows wanted in all, of each domain its share; 0: all that are left
    shares: dict[str, float] = field(default_factory=lambda: dict[str, float](TABLE_5))  # of domains, in any unit
    domains: dict[str, str] = field(default_factory=dict)  # family or category -> domain, where it has another name
    names: list[str] = field(default_factory=list)  # what the model may call itself and its makers in general rows
    min_quality: dict[str, float] = field(default_factory=dict)  # import -> least score of its general rows

    def targets(self) -> dict[str, int]:
        """Rows wanted of each domain, or nothing if all are."""
        whole = sum(self.shares.values())
        exact = {domain: self.total * share / whole for domain, share in self.shares.items()} if self.total else {}
        found = {domain: int(rows) for domain, rows in exact.items()}
        for domain in sorted(exact, key=lambda name: found[name] - exact[name])[: self.total - sum(found.values())]:
            found[domain] += 1
        return found


@dataclass(frozen=True, kw_only=True)
class RewardModel:
    pairs: int  # preference pairs wanted (paper: 66,000)
    labels: int  # labelled safety responses wanted (paper: 106,000)
    judge_queries: int  # judge calls a pair, order swapped at random (paper: 4)
    min_margin: float  # keep pairs whose mean judge score differs by more (paper: 1)
    judge_noise: float  # standard deviation of the embedded judge's error
    sampling: Sampling
    train: SFT
    forget: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Student:
    base: Base
    distill: SFT


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    sampling: Sampling
    problems: int  # test problems, 0: all
    general: int  # general test prompts, 0: all
    general_draws: int  # answers a general prompt
    models: dict[str, str] = field(
        default_factory=dict
    )  # model name -> its checkpoint below data/ (read by dvc.yaml only)


@dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """How often a stage commits its state on the way, how many of these are kept, and how long a stop may take.

    No result depends on it: it stands in no `params:` of dvc.yaml, and enters neither a fingerprint nor dvc.lock.
    """

    every_s: float = 10.0  # at most so much work is lost to a kill; or one step (GRPO: one rollout), if that is longer
    every_steps: int = 0  # also after so many steps; 0: by time alone
    keep: int = 2  # the one before the newest is what a broken newest one falls back to
    grace_s: float = (
        25.0  # for a last commit after SIGTERM, SIGHUP or SIGINT; below the 30 s that Slurm gives by default
    )

    def __post_init__(self) -> None:
        _check(self.every_s > 0, f"every_s is {self.every_s:g}; it must be above 0")
        _check(self.every_steps >= 0, f"every_steps is {self.every_steps}; it can't be negative")
        _check(self.keep >= 1, f"keep is {self.keep}; the newest at least must be kept")
        _check(self.grace_s > 0, f"grace_s is {self.grace_s:g}; it must be above 0")


@dataclass(frozen=True, kw_only=True)
class Deadlines:
    """How long each phase may last at a time, in seconds; a stage that takes longer is ended as one that hangs
    (stages/contract/watchdog.py). No result depends on it, as with `Checkpoints`.
    """

    generate: float = 3600.0  # one call of the engine
    reward: float = 1800.0  # a step's grades, and the reward model's scores
    weights: float = 600.0  # new weights brought to the engine
    train: float = 3600.0  # one update
    collective: float = 1800.0  # waiting for other ranks
    save: float = 1800.0  # one state written

    def __post_init__(self) -> None:
        for name, limit in vars(self).items():
            _check(limit > 0, f"{name} is {limit:g}; it must be above 0")


@dataclass(frozen=True, kw_only=True)
class Params:
    """All sections. A stage sees only those that its `params:` in dvc.yaml names; the others are None."""

    profile: str = ""
    seed: int = 0
    threads: int = 0
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    deadlines: Deadlines = field(default_factory=Deadlines)
    world: World | None = None
    prompts: Prompts | None = None
    rollout: Rollout | None = None
    trainer: Trainer = field(default_factory=Trainer)
    base: Base | None = None
    zero: RL | None = None
    cold_start: ColdStart | None = None
    cold_sft: SFT | None = None
    grpo: RL | None = None
    rejection: Rejection | None = None
    sft: SFT | None = None
    reward_model: RewardModel | None = None
    align: Align | None = None
    students: dict[str, Student] = field(default_factory=dict)
    student_zero: RL | None = None
    evaluate: Evaluate | None = None


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)


def parse(values: Mapping[str, object]) -> Params:
    """Build the params from plain values (a whole params.yaml, or the sections that a stage declares).

    Raises:
        UserError: naming the key, what is valid, and the nearest valid name.

    >>> parse({"seed": 7}).seed
    7
    """
    built = _build(Params, values, "")
    assert isinstance(built, Params)
    return built


def _build(kind: type, values: object, path: str) -> object:
    if not isinstance(values, Mapping):
        raise UserError(f"{path or 'params'}: expected a section, got {values!r}", hint="r1 profile show")
    fields = {f.name: f for f in dataclasses.fields(kind)}
    hints = typing.get_type_hints(kind)
    for key in values:
        if key not in fields:
            raise UserError(f"unknown param {_join(path, key)}{_nearest(str(key), fields)}", hint="r1 profile show")
    built = {}
    for name, spec in fields.items():
        if name in values:
            built[name] = _convert(hints[name], values[name], _join(path, name))
        elif spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING:
            raise UserError(f"param {_join(path, name)} is missing", hint="r1 profile show")
    try:
        return kind(**built)
    except ValueError as error:
        raise UserError(
            f"{path}.{error}" if path else str(error), hint="edit params.yaml, or: r1 run STAGE --set KEY=VALUE"
        ) from error


def _convert(kind: object, value: object, path: str) -> object:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        kinds = [k for k in arguments if k is not type(None)]
        return None if value is None else _convert(kinds[0], value, path)
    if origin is Literal:
        if value not in arguments:
            raise UserError(
                f"{path}: {value!r} is not one of {', '.join(map(str, arguments))}{_nearest(str(value), map(str, arguments))}",
                hint=f"r1 run STAGE --set {path}={arguments[0]}",
            )
        return value
    if origin is list:
        if not isinstance(value, list | tuple):
            raise UserError(f"{path}: expected a list, got {value!r}", hint="r1 profile show")
        return [_convert(arguments[0], v, f"{path}[{i}]") for i, v in enumerate(value)]
    if origin is dict:
        if not isinstance(value, Mapping):
            raise UserError(f"{path}: expected a section, got {value!r}", hint="r1 profile show")
        return {str(k): _convert(arguments[1], v, _join(path, k)) for k, v in value.items()}
    if dataclasses.is_dataclass(kind):
        assert isinstance(kind, type)
        return _build(kind, value, path)
    wrong = UserError(f"{path}: expected {getattr(kind, '__name__', kind)}, got {value!r}", hint="r1 profile show")
    if kind is float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise wrong
        if value != value or value in (float("inf"), float("-inf")):
            raise wrong
        return float(value)
    if kind is int:
        if isinstance(value, bool) or not (isinstance(value, int) or (isinstance(value, float) and value.is_integer())):
            raise wrong
        return int(value)
    if not isinstance(kind, type) or not isinstance(value, kind):
        raise wrong
    return value


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def _nearest(name: str, valid: typing.Iterable[str]) -> str:
    names = list(valid)
    near = difflib.get_close_matches(name, names, n=1)
    return f" (did you mean {near[0]}?)" if near else f" (valid: {', '.join(names)})"
