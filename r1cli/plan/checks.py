"""What can't work, or wastes much, with the nearest setting that would do. In the params' own names."""

import math
from dataclasses import dataclass

from r1cli.plan.memory import largest_micro, memory
from r1cli.plan.place import Place
from r1cli.plan.work import PROMPT_TOKENS, Work, longest
from stages.contract.params import RL, SFT


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is wrong and what mends it. A `warning` runs all the same."""

    what: str
    mend: str
    warning: bool = False


def nearest_multiple(value: int, unit: int) -> int:
    """The multiple of `unit` that is nearest to a value, and at least one unit; the larger of two.

    >>> nearest_multiple(100, 64), nearest_multiple(96, 64), nearest_multiple(3, 8)
    (128, 128, 8)
    """
    return max(unit, (value + unit // 2) // unit * unit)


def check(work: Work, section: object, place: Place) -> list[Problem]:
    """All that is wrong with a stage's section of params in a place."""
    found = _layout(work, place) if not place.embedded else []
    if isinstance(section, RL):
        found += _rl(work, section, place)
    if isinstance(section, SFT):
        found += _sft(work, section, place)
    found += _lengths(work)
    found += _memory(work, place)
    return found


def _layout(work: Work, place: Place) -> list[Problem]:
    found = []
    spread, shared = place.engine_gpus(work.model), place.sequence_parallel
    if place.gpus % spread:
        mend = f"--tensor-parallel {math.gcd(place.gpus, spread)}"
        found.append(Problem(what=f"{place.gpus} GPUs hold no whole number of engines of {spread}", mend=mend))
    if work.draws and work.model.heads % spread:
        mend = f"--tensor-parallel {math.gcd(work.model.heads, spread)}"
        what = f"{work.model.heads} attention heads can't be divided by tensor parallel {spread}"
        found.append(Problem(what=what, mend=mend))
    if work.training and place.gpus % shared:
        mend = f"--sequence-parallel {math.gcd(place.gpus, shared)}"
        found.append(Problem(what=f"{place.gpus} GPUs can't be divided by sequence parallel {shared}", mend=mend))
    return found


def _rl(work: Work, rl: RL, place: Place) -> list[Problem]:
    found = []
    batch = rl.prompts_per_step * rl.group_size
    if batch % place.replicas:
        unit = place.replicas // math.gcd(place.replicas, rl.group_size)
        found.append(
            Problem(
                what=f"{rl.prompts_per_step} prompts x {rl.group_size} answers = {batch} sequences a step can't be "
                f"divided among {place.replicas} processes",
                mend=f"{work.section}.prompts_per_step: {nearest_multiple(rl.prompts_per_step, unit)}",
            )
        )
    if rl.steps % rl.steps_per_rollout:
        found.append(
            Problem(
                what=f"{rl.steps} steps are no whole number of rollouts of {rl.steps_per_rollout} steps: the last one "
                f"is used for {rl.steps % rl.steps_per_rollout}",
                mend=f"{work.section}.steps: {nearest_multiple(rl.steps, rl.steps_per_rollout)}",
                warning=True,
            )
        )
    return found


def _sft(work: Work, sft: SFT, place: Place) -> list[Problem]:
    if sft.batch_size % place.replicas == 0:
        return []
    return [
        Problem(
            what=f"a batch of {sft.batch_size} can't be divided among {place.replicas} processes",
            mend=f"{work.section}.batch_size: {nearest_multiple(sft.batch_size, place.replicas)}",
        )
    ]


def _lengths(work: Work) -> list[Problem]:
    found = []
    context = work.model.context
    sampled, trained = longest(work.draws), _whole(work)
    if sampled + PROMPT_TOKENS > context:
        found.append(
            Problem(
                what=f"answers of {sampled} tokens to a prompt don't fit in the model's context of {context}",
                mend=f"max_new_tokens: {context - PROMPT_TOKENS}; or a longer max_position_embeddings in its config.json",
                # A student was fine-tuned to longer sequences than its base knew, so its config has to say so.
                warning=work.stage.startswith("evaluate@distill"),
            )
        )
    elif trained > context:
        what = f"sequences of {trained} tokens are longer than the model's context of {context}"
        mend = f"{work.section}.max_tokens: {context}; or a longer max_position_embeddings in its config.json"
        found.append(Problem(what=what, mend=mend, warning=True))
    for part in work.training:
        whole = part.cap + part.prompt
        if part.micro_tokens < whole:
            found.append(
                Problem(
                    what=f"one sequence may have {whole} tokens, more than micro_tokens ({part.micro_tokens})",
                    mend=f"{work.section}.micro_tokens: {nearest_multiple(whole + 512, 1024)}",
                    warning=True,
                )
            )
    return found


def _whole(work: Work) -> int:
    """The most tokens of a sequence in training, its prompt too."""
    return max((part.cap + part.prompt for part in work.training if not part.whole), default=0)


def _memory(work: Work, place: Place) -> list[Problem]:
    need = memory(work, place)
    free = place.device.memory_gb * place.memory_use
    found = []
    if need.base + need.training > free:
        micro = largest_micro(work, place)
        whole = _whole(work)
        tokens = max(part.micro_tokens for part in work.training)
        if micro >= whole:
            mend = f"{work.section}.micro_tokens: {micro // 1024 * 1024 or micro}"
        elif micro:
            needed = math.ceil(place.sequence_parallel * whole / micro)
            mend = f"--sequence-parallel {1 << (needed - 1).bit_length()} with micro_tokens: {whole}"
        else:
            mend = f"--zero 3, more than {place.gpus} GPUs, or --offload"
        what = f"training needs {need.training:.0f} GB a GPU at micro_tokens {tokens}, of {free:.0f} that may be taken"
        found.append(Problem(what=what, mend=mend))
    if need.sampling > free and not place.embedded:
        parts = now = place.engine_gpus(work.model)
        while parts < place.gpus and need.engine * now / parts + need.cache > free:
            parts *= 2
        what = f"the engine's weights and one sequence need {need.sampling:.0f} GB a GPU, of {free:.0f}"
        found.append(Problem(what=what, mend=f"--tensor-parallel {parts}"))
    return found
