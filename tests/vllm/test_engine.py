"""The real vLLM behind the engine's seam (`make test-vllm`): what it samples, that it says so truly, and that weights arrive."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.contract.engine import Ask, Completion
from stages.contract.errors import UserError
from stages.contract.events import Silent
from stages.contract.params import VLLM, Skew
from stages.rl.loop import Parts, train
from stages.rl.skew import Gate
from stages.rollout.vllm import weights_file
from tests.rl.test_loop import SETTINGS
from tests.stages.test_progress import _score, _task
from tests.vllm.world import CLOSE, World, tokens

pytestmark = pytest.mark.vllm


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    yield World(tmp_path_factory.mktemp("model"))


@pytest.mark.parametrize("temperature", [0.7, 1.0])
def test_log_probabilities_are_the_trainers_after_temperature(world: World, temperature: float) -> None:
    assert world.gap(world.sample(temperature=temperature), temperature=temperature) < CLOSE


def test_after_top_p_they_are_those_of_what_is_left(world: World) -> None:
    kept = world.sample(top_p=0.5)
    for prompt, group in zip(world.prompts, kept, strict=True):
        for completion in group:
            with torch.no_grad():
                ours, _, _ = world.policy.logps([prompt], [completion.tokens], temperature=0.7)
            assert all(theirs >= own - CLOSE for own, theirs in zip(ours[0].tolist(), completion.logps, strict=True))
    assert world.gap(kept) > 0.1


def test_the_same_seed_gives_the_same_answers_whatever_they_are_batched_with(world: World) -> None:
    first = world.sample()
    assert world.sample() == first and tokens(world.sample(seed=4)) != tokens(first)
    assert tokens(world.sample(world.prompts[:1])) == tokens(first[:1])
    assert tokens(world.sample(draws=2)) == [group[:2] for group in tokens(first)]
    assert len({str(c) for group in tokens(first) for c in group}) > 20  # draws differ


def test_answers_end_with_the_end_token_or_are_cut_off(world: World) -> None:
    groups = world.sample(draws=100, max_new_tokens=40, temperature=1.5)
    ended = [c for group in groups for c in group if c.finished]
    assert ended and all(c.tokens[-1] == world.codec.end_id and len(c.logps) == len(c.tokens) for c in ended)
    cut = [c for group in groups for c in group if not c.finished]
    assert cut and all(len(c.tokens) == 40 and world.codec.end_id not in c.tokens for c in cut)


def test_each_completion_is_told_of_once_and_early(world: World) -> None:
    told: dict[tuple[int, int], Completion] = {}
    groups = world.engine.generate(
        world.prompts, draws=3, max_new_tokens=8, temperature=1.0, top_p=1.0, seed=1,
        on_finished=lambda place, draw, completion: told.update({(place, draw): completion}),
    )  # fmt: skip
    assert told == {(p, d): c for p, group in enumerate(groups) for d, c in enumerate(group)}


def test_what_is_asked_ahead_is_begun_and_is_what_is_asked(world: World) -> None:
    more: dict[str, Any] = {"draws": 3, "max_new_tokens": 30, "temperature": 1.0, "top_p": 1.0}
    alone = [world.engine.generate(world.prompts, seed=seed, **more) for seed in (1, 2)]
    for seed in (1, 2, 2):
        world.engine.ahead(Ask(prompts=tuple(map(tuple, world.prompts)), seed=seed, logps=True, **more))
    assert tokens(world.engine.generate(world.prompts, seed=1, **more)) == tokens(alone[0])
    (begun,) = world.engine._waiting.values()
    assert begun.found  # came while the first call's answers were waited for
    told: dict[tuple[int, int], Completion] = {}
    groups = world.engine.generate(
        world.prompts, seed=2, on_finished=lambda place, draw, one: told.update({(place, draw): one}), **more
    )
    assert tokens(groups) == tokens(alone[1])
    assert told == {(p, d): c for p, group in enumerate(groups) for d, c in enumerate(group)}
    assert world.engine.llm and not world.engine.llm.llm_engine.has_unfinished_requests()


def test_the_trainers_generators_threads_and_strictness_are_left_as_they_were(world: World) -> None:
    torch.use_deterministic_algorithms(True)
    state = torch.get_rng_state()
    world.sample()
    assert torch.equal(torch.get_rng_state(), state) and torch.are_deterministic_algorithms_enabled()


def test_renewed_weights_are_those_that_it_samples_from(world: World) -> None:
    before = world.sample()
    world.engine.renew()
    assert world.sample() == before  # an update that changes nothing
    world.shift(1.1)
    assert world.gap(world.sample()) > 0.1  # not renewed: stale
    world.engine.renew()
    assert world.gap(world.sample()) < CLOSE
    world.shift(1 / 1.1)
    world.engine.renew()
    assert world.gap(world.sample()) < CLOSE


def test_weights_by_file_are_the_same(world: World) -> None:
    """As they reach an engine of several processes."""
    world.shift(1.1)
    assert world.engine.llm is not None
    with weights_file(world.decoder.state_dict().items()) as folder:
        world.engine.llm.collective_rpc("take_file", kwargs={"folder": str(folder)})
    world.engine.llm.reset_prefix_cache()
    assert world.gap(world.sample()) < CLOSE
    world.shift(1 / 1.1)
    world.engine.renew()


def test_a_sequence_longer_than_it_was_started_for_is_refused(world: World) -> None:
    with pytest.raises(UserError, match="may take .* tokens, but vLLM was started for 256") as caught:
        world.sample(max_new_tokens=255)
    assert "rollout.vllm.max_tokens" in caught.value.hint


class Faulty:
    """The true engine with something planted between it and the trainer."""

    copies_weights = True

    def __init__(self, world: World, **planted: Callable[..., object]) -> None:
        self.generate = planted.get("generate", world.engine.generate)
        self.renew = planted.get("renew", world.engine.renew)


def _gated(world: World, engine: object) -> None:
    parts = Parts(
        policy=world.policy,
        engine=engine,  # type: ignore[arg-type]
        codec=world.codec,
        score=_score,
        pick=lambda step: [_task(step % 3), _task(7)],
        forbidden=lambda text: False,
        reflective=len,
        validate=None,
        keep=lambda step, samples: None,
        gate=Gate(Skew(every=2, samples=8, max_gap=CLOSE), templates=world.codec.other_templates()),
    )
    settings = replace(SETTINGS, steps=3, lr=1e-2, temperature=0.6)
    optimisation = world.policy.optimisation(settings)
    train(parts, settings, seed=1, optimisation=optimisation, report=Silent())


@pytest.fixture
def fresh(world: World) -> Iterator[World]:
    world.reset()
    yield world
    world.reset()


def test_the_skew_gate_lets_it_train(fresh: World) -> None:
    _gated(fresh, Faulty(fresh))  # nothing is planted


def test_the_skew_gate_names_weights_that_stayed_behind(fresh: World) -> None:
    with pytest.raises(UserError, match="step 2: .*likely cause: stale weights") as caught:
        _gated(fresh, Faulty(fresh, renew=lambda: None))
    assert "Stale weights" in caught.value.hint


def test_the_skew_gate_names_another_temperature(fresh: World) -> None:
    """1 is what vLLM reports by default: log-probabilities before temperature."""

    def hot(prompts: object, **options: object) -> object:
        return fresh.engine.generate(prompts, **{**options, "temperature": 1.0})  # type: ignore[arg-type]

    with pytest.raises(UserError, match="likely cause: temperature \\(1 instead of 0.6"):
        _gated(fresh, Faulty(fresh, generate=hot))


def test_the_skew_gate_names_another_template(fresh: World) -> None:
    chat = fresh.codec.other_templates()["chat"]

    def dressed(prompts: Sequence[Sequence[int]], **options: object) -> object:
        texts = [fresh.codec.text(prompt) for prompt in prompts]
        questions = [text.removeprefix("<|user|>").removesuffix("<|assistant|>") for text in texts]
        return fresh.engine.generate([chat(question) for question in questions], **options)  # type: ignore[arg-type]

    with pytest.raises(UserError, match="likely cause: template \\(chat leaves"):
        _gated(fresh, Faulty(fresh, generate=dressed))


# Below are engines of their own: vLLM has one at a time in a process, and `world`'s is not used any more.


def test_stop_texts_end_an_answer_and_stay_in_its_tokens(world: World) -> None:
    engine = world.another(VLLM(dtype="float32", stop=["so"]))
    groups = engine.generate(world.prompts, draws=60, max_new_tokens=24, temperature=1.5, top_p=1.0, seed=3)
    stopped = [c for group in groups for c in group if c.finished and c.tokens[-1] != world.codec.end_id]
    texts = [world.codec.text(c.tokens) for c in stopped]
    assert texts and all(text.count("so") == 1 and "so" in text[-4:] for text in texts)


def test_the_skew_gate_names_another_dtype(tmp_path: Path) -> None:
    world = World(tmp_path, dtype="bfloat16")
    with pytest.raises(UserError, match="before the first step: .*likely cause: dtype"):
        _gated(world, world.engine)
