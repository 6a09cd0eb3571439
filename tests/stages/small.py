"""The smoke profile made smaller still: two layers, one family, a handful of steps. It runs in seconds."""

from dataclasses import replace
from functools import cache
from pathlib import Path

from ruamel.yaml import YAML

from stages.contract.params import RL, SFT, Base, Params, Shape, World, parse

ROOT = Path(__file__).parents[2]
SHAPE = Shape(hidden=32, layers=2, heads=2, head_dim=16, feed_forward=64, rope_theta=100.0, max_positions=128)


@cache
def params() -> Params:
    smoke = parse(YAML(typ="safe").load(ROOT / "profiles" / "smoke.yaml"))
    assert smoke.prompts and smoke.base and smoke.zero and smoke.cold_start and smoke.cold_sft and smoke.grpo
    assert (
        smoke.rejection and smoke.sft and smoke.reward_model and smoke.align and smoke.student_zero and smoke.evaluate
    )
    student = smoke.students["small"]
    return replace(
        smoke,
        threads=1,
        world=World(families={"logic": 8.0, "code": 1.0}, difficulties=[2], chinese=0.3, documents=3000, general=0.3),
        prompts=replace(smoke.prompts, train=60, validation=6, test=6, general_held_out=0.1),
        base=_base(smoke.base, steps=220),
        zero=_short(smoke.zero),
        cold_start=replace(smoke.cold_start, sampling=replace(smoke.cold_start.sampling, draws=6)),
        cold_sft=_light(smoke.cold_sft),
        grpo=_short(smoke.grpo),
        rejection=replace(smoke.rejection, general=60, min_language=0.5),
        sft=_light(smoke.sft),
        reward_model=replace(
            smoke.reward_model, pairs=30, labels=30, train=replace(_light(smoke.reward_model.train), batch_size=8)
        ),
        align=replace(smoke.align, steps=3, lengths=smoke.zero.lengths, general_from=0.4),
        students={"small": replace(student, base=_base(student.base, steps=10), distill=_light(student.distill))},
        student_zero=_short(smoke.student_zero),
        evaluate=replace(smoke.evaluate, sampling=replace(smoke.evaluate.sampling, draws=2), general=20),
    )


def _base(base: Base, *, steps: int) -> Base:
    assert base.pretrain is not None
    return replace(base, vocabulary=400, shape=SHAPE, pretrain=replace(base.pretrain, steps=steps))


def _short(settings: RL) -> RL:
    return replace(settings, steps=2)


def _light(settings: SFT) -> SFT:
    return replace(settings, epochs=1, batch_size=16)
