"""r1's rewards in TRL's own trainer (optional: `make test-trl`), and as TRL calls them."""

from pathlib import Path

import pytest

from stages.contract.params import Shape
from stages.model.checkpoint import new_decoder, save_checkpoint
from stages.model.tokenizer import load_tokenizer, save_tokenizer, train_tokenizer
from stages.rewards import trl as rewards

pytestmark = pytest.mark.trl
SHAPE = Shape(hidden=32, layers=2, heads=2, head_dim=16, feed_forward=64, rope_theta=100.0, max_positions=256)


def test_two_steps_of_grpo_with_all_rewards(tmp_path: Path) -> None:
    trl = pytest.importorskip("trl")
    datasets = pytest.importorskip("datasets")
    save_tokenizer(train_tokenizer(["what is 2+3 so 5 then 7"], vocabulary=400), tmp_path / "model")
    tokenizer = load_tokenizer(tmp_path / "model")
    decoder = new_decoder(SHAPE, vocabulary=tokenizer.get_vocab_size(), seed=0)
    save_checkpoint(decoder, tokenizer, tmp_path / "model", tokenizer_from=tmp_path / "model")
    rows = [{"prompt": f"what is {a}+{b}", "answer": str(a + b)} for a in range(4) for b in range(4)]
    rows = [{**row, "task": {"type": "stdin", "cases": [{"input": "", "output": row["answer"]}]}} for row in rows]
    trainer = trl.GRPOTrainer(
        model=str(tmp_path / "model"),
        reward_funcs=[
            rewards.maths_reward, rewards.code_reward, rewards.format_reward, rewards.language_reward
        ],
        train_dataset=datasets.Dataset.from_list(rows),
        args=trl.GRPOConfig(
            output_dir=str(tmp_path / "out"),
            max_steps=2,
            per_device_train_batch_size=4,
            num_generations=4,
            max_completion_length=8,
            report_to=[],
            use_cpu=True,
            save_strategy="no",
        ),
    )  # fmt: skip
    trainer.train()
    logged = [entry for entry in trainer.state.log_history if "reward" in entry]
    assert logged
    for name in ("maths_reward", "code_reward", "format_reward", "language_reward"):
        assert f"rewards/{name}/mean" in logged[0]
