"""vLLM's own server, started by a stage with two copies of the model: the same answers as in the trainer's process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.contract.errors import UserError
from stages.contract.params import VLLM
from stages.rollout.served import ServedEngine
from tests.vllm.world import CLOSE, World, tokens

pytestmark = pytest.mark.vllm


class Served:
    def __init__(self, folder: Path) -> None:
        self.world = World(folder)
        self.engine = ServedEngine(
            self.world.folder,
            settings=VLLM(dtype="float32", stop=["so"]),
            end_id=self.world.codec.end_id,
            weights=lambda: self.world.decoder.state_dict().items(),
            copies=2,
        )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("served"))
    yield made
    made.engine.close()


def test_it_answers_as_the_engine_in_the_trainers_process(served: Served) -> None:
    offline = served.world.another(VLLM(dtype="float32", stop=["so"]))
    ours, theirs = (served.world.sample(engine=engine, draws=20) for engine in (served.engine, offline))
    assert tokens(ours) == tokens(theirs) and [[c.finished for c in g] for g in ours] == [
        [c.finished for c in g] for g in theirs
    ]
    assert served.world.gap(ours) < CLOSE
    ends = {served.world.codec.text(c.tokens)[-3:] for g in ours for c in g if c.finished}
    assert any("so" in end for end in ends) and len({tuple(c.tokens) for g in ours for c in g}) > 50


def test_renewed_weights_reach_every_copy(served: Served) -> None:
    served.world.shift(1.1)
    assert served.world.gap(served.world.sample(engine=served.engine)) > 0.1  # not renewed: stale
    served.engine.renew()
    assert served.world.gap(served.world.sample(engine=served.engine, draws=12)) < CLOSE
    served.world.shift(1 / 1.1)
    served.engine.renew()
    assert served.world.gap(served.world.sample(engine=served.engine)) < CLOSE


def test_a_sequence_longer_than_it_was_started_for_is_refused(served: Served) -> None:
    with pytest.raises(UserError, match="may take .* tokens, but vLLM was started for 256"):
        served.world.sample(engine=served.engine, max_new_tokens=255)
