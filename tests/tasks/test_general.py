"""General prompts: the guideline prefers what is good, the judge favours no side, subjects stay in their split."""

import random
import statistics

import pytest

from stages.contract.schemas import TASKS
from stages.contract.task import tasks_of
from stages.contract.transcript import split
from stages.rewards.scorer import refused
from stages.tasks.corpus import general_tasks
from stages.tasks.general import REFUSALS, GeneralPrompt, all_prompts, by_question, refuses, reply, rubric, safe
from stages.tasks.judge import judge_pair, verdict

HELPFUL = [p for p in all_prompts() if p.kind == "helpful"]
SAFETY = [p for p in all_prompts() if p.kind == "safety"]


def _answer(prompt: GeneralPrompt, *, quality: float, seed: int = 0) -> str | None:
    return split(reply(random.Random(seed), prompt, quality=quality)).answer


def test_prompts_are_distinct_and_found_by_their_question() -> None:
    assert len(by_question()) == len(all_prompts())
    assert {p.language for p in HELPFUL} == {p.language for p in SAFETY} == {"en", "zh"}
    assert all(p.unsafe for p in SAFETY) and not any(p.unsafe for p in HELPFUL)


@pytest.mark.parametrize("family", ["greet", "thank", "list", "how"])
def test_a_good_reply_beats_a_poor_one(family: str) -> None:
    for prompt in (p for p in HELPFUL if p.family == family):
        assert rubric(prompt, _answer(prompt, quality=1.0)) == 5.0
        poor = [rubric(prompt, _answer(prompt, quality=0.0, seed=seed)) for seed in range(8)]
        assert max(poor) <= 5.0 and statistics.mean(poor) < 4.0, (prompt, poor)
        if family != "list":  # a careless list may be right by luck
            assert max(poor) < 5.0


def test_the_guideline_cannot_be_had_cheaply() -> None:
    assert rubric(HELPFUL[0], None) == rubric(HELPFUL[0], "") == 0.0
    listing = next(p for p in HELPFUL if p.question == "name 3 fruits")
    full = rubric(listing, "apple pear plum")
    assert full == 5.0
    for cheap in ("apple apple apple", "apple pear plum fig lime", "apple pear cat", "apple"):
        assert rubric(listing, cheap) < 4.0
    how = next(p for p in HELPFUL if p.family == "how")
    assert rubric(how, REFUSALS[0]) < rubric(how, "just do it")


def test_safe_labels() -> None:
    for prompt in SAFETY:
        for seed in range(4):
            good = reply(random.Random(seed), prompt, quality=1.0)
            assert safe(prompt, good) and refuses(good)
            assert not safe(prompt, reply(random.Random(seed), prompt, quality=0.0))
        careless = good.replace("harm", "fine").replace("有害", "无害")  # its thought finds nothing wrong
        assert careless != good and refuses(careless) and not safe(prompt, careless)
    assert all(safe(p, reply(random.Random(0), p, quality=0.0)) for p in HELPFUL[::7])


def test_a_refusal_of_the_world_is_one_to_the_scorer() -> None:
    for prompt in (*SAFETY[::9], *(p for p in HELPFUL if p.family == "how")):
        for quality in (0.0, 1.0):
            text = reply(random.Random(1), prompt, quality=quality)
            assert refused(text, REFUSALS) == refuses(text)


def test_subjects_never_cross_splits() -> None:
    prompts = by_question()
    frames = general_tasks(seed=4, held_out=0.2)
    assert list(frames) == ["general", "general_validation", "general_test"]
    subjects = {
        name: {(prompts[t.prompt].family, prompts[t.prompt].subject) for t in tasks_of(frame)}
        for name, frame in frames.items()
    }
    assert not subjects["general"] & subjects["general_validation"]
    assert not subjects["general"] & subjects["general_test"]
    assert not subjects["general_validation"] & subjects["general_test"]
    everything = len(set().union(*subjects.values()))
    assert len(subjects["general_test"]) == len(subjects["general_validation"]) == round(0.2 * everything)
    assert sum(map(len, frames.values())) == len(prompts)
    for frame in frames.values():
        assert frame.schema == TASKS.schema and {"helpful", "safety"} == set(frame["kind"])
    assert all(frame.equals(general_tasks(seed=4, held_out=0.2)[name]) for name, frame in frames.items())
    assert not frames["general_test"].equals(general_tasks(seed=5, held_out=0.2)["general_test"])


GREETING = next(p for p in HELPFUL if p.family == "greet" and p.language == "en")
GOOD, POOR = _answer(GREETING, quality=1.0), _answer(GREETING, quality=0.0)


def test_the_judge_favours_no_side_in_expectation() -> None:
    """Each query leans to what stands first; swapping takes that out again."""
    rng = random.Random(1)
    same = [judge_pair(rng, GREETING, GOOD, GOOD, queries=4, noise=1.0) for _ in range(3000)]
    assert abs(statistics.mean(same)) < 0.05 and statistics.pstdev(same) > 0.3
    one_sided = [verdict(rng, GREETING, GOOD, GOOD, noise=1.0) for _ in range(3000)]
    assert statistics.mean(one_sided) > 0.2  # the bias that the swaps take out
    forth = [judge_pair(rng, GREETING, GOOD, POOR, queries=4, noise=1.0) for _ in range(1000)]
    back = [judge_pair(rng, GREETING, POOR, GOOD, queries=4, noise=1.0) for _ in range(1000)]
    assert statistics.mean(forth) == pytest.approx(-statistics.mean(back), abs=0.1)
    assert statistics.mean(forth) > 1.0


def test_the_judge_grades_the_margin() -> None:
    """Without noise, labels by the distance: a clear one is 2, a small one 1, none 0 but for the bias."""
    rng = random.Random(0)
    assert judge_pair(rng, GREETING, GOOD, None, queries=8, noise=0.0) == 2.0
    assert judge_pair(rng, GREETING, None, GOOD, queries=8, noise=0.0) == -2.0
    assert verdict(rng, GREETING, GOOD, GOOD, noise=0.0) == 0  # the bias of 0.3 alone is a tie
    listing = next(p for p in HELPFUL if p.question == "name 4 fruits")
    assert verdict(rng, listing, "apple pear plum fig", "apple pear plum", noise=0.0) == 2  # 1.25 + 0.3
    assert verdict(rng, listing, "apple pear plum", "apple pear plum fig", noise=0.0) == -1  # -1.25 + 0.3
