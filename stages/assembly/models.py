"""Checkpoints as stage files use them: opened, born, and as judges of responses."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from stages.assembly.progress import progress
from stages.contract.engine import Engine
from stages.contract.errors import UserError
from stages.contract.events import Reporter
from stages.contract.job import Paths
from stages.contract.ledger import Ledger
from stages.contract.params import Base, Params
from stages.contract.schemas import DOCUMENTS
from stages.contract.tables import read_table
from stages.contract.task import Task
from stages.contract.team import Team
from stages.contract.transcript import ANSWER, END_ANSWER, split
from stages.model.checkpoint import load, load_decoder, new_decoder, save_checkpoint, weights_digest
from stages.model.imported import import_checkpoint
from stages.model.policy import DecoderPolicy, Policy
from stages.model.pretrain import pretrain
from stages.model.processes import Processes
from stages.model.reward_model import RewardModel, Scoring
from stages.model.shards import weight_files
from stages.model.tokenizer import TokenizerCodec, load_tokenizer, save_tokenizer, train_tokenizer
from stages.rewards.scorer import Judge
from stages.rollout.embedded import EmbeddedEngine


def team_of(params: Params) -> Team:
    """The threads that a stage computes with. Sums depend on their number, so it is a param and not an accident of the
    machine. Each of them runs torch's operations alone."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    # Else every new tensor is filled first, so that reading it too early is the same each time: 5% of a GRPO step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return Team(max(1, params.threads))


@dataclass(frozen=True, kw_only=True)
class Scalar:
    """A reward model that is to be trained."""

    scoring: Scoring
    save: Callable[[Path], None]  # writes a checkpoint folder
    weights_digest: Callable[[], str]  # SHA-256 of the weights that it would write now


Scores = Callable[[Sequence[Sequence[int]]], list[float]]
"""Token sequences -> a reward model's scores."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """A checkpoint that is ready to train and to sample from."""

    folder: Path
    policy: Policy
    codec: TokenizerCodec
    engine: Engine
    team: Team
    positions: int  # that the model has
    save: Callable[[Path], None]  # writes a checkpoint folder
    weights_digest: Callable[[], str]  # SHA-256 of the weights that it would write now
    scalar: Callable[[], Scalar]  # a reward model that begins with the checkpoint's weights
    judging: Callable[[Path], Scores]  # the reward model in a checkpoint folder, as it is
    processes: Processes = field(default_factory=Processes)  # that train it together


def open_model(folder: Path, params: Params) -> Model:
    """Load a checkpoint and the engine that samples from its live weights."""
    assert params.rollout is not None
    rollout, team = params.rollout, team_of(params)
    if params.trainer.engine == "deepspeed":
        from stages.assembly.sharded import open_together

        return open_together(folder, params)
    if rollout.engine != "embedded":
        raise UserError(f"rollout.engine {rollout.engine!r} is not in this release of r1", hint="r1 profile use tiny")
    decoder, tokenizer = load(folder)
    codec = TokenizerCodec(tokenizer, template=rollout.template)

    def save(out: Path) -> None:
        save_checkpoint(decoder, tokenizer, out, tokenizer_from=folder)

    def scalar() -> Scalar:
        trained = RewardModel(load_decoder(folder, labels=1), pad_id=codec.pad_id, team=team)
        return Scalar(
            scoring=trained,
            save=lambda out: save_checkpoint(trained.decoder, tokenizer, out, tokenizer_from=folder),
            weights_digest=lambda: weights_digest(trained.decoder),
        )

    return Model(
        folder=folder,
        policy=DecoderPolicy(decoder, pad_id=codec.pad_id, team=team),
        codec=codec,
        engine=EmbeddedEngine(decoder, end_id=codec.end_id, pad_id=codec.pad_id, batch=rollout.batch, team=team),
        team=team,
        positions=decoder.config.max_position_embeddings,
        save=save,
        weights_digest=lambda: weights_digest(decoder),
        scalar=scalar,
        judging=lambda path: RewardModel(load_decoder(path), pad_id=codec.pad_id, team=team).score_all,
    )


def digest(folder: Path) -> str:
    """A checkpoint's identity: 16 bytes of SHA-256 over its weights, in hex."""
    whole = hashlib.sha256()
    for path in weight_files(folder):
        whole.update(path.read_bytes())
    return whole.hexdigest()[:32]


def born(
    params: Params, base: Base, paths: Paths, report: Reporter, *, seed: int, tokenizer_from: Path | None = None
) -> None:
    """Write a base model's checkpoint: pre-trained here, or imported."""
    out = paths.out / "checkpoint"
    if base.source == "import":
        import_checkpoint(base.path, base.revision, out)
        paths.write_metrics({"imported": 1})
        return
    assert base.shape is not None and base.pretrain is not None
    table = read_table(paths.data / "prompts" / "corpus.parquet", DOCUMENTS)
    corpus = table["text"].to_list()
    if tokenizer_from is None:
        save_tokenizer(train_tokenizer(corpus[::5], vocabulary=base.vocabulary), out)
        tokenizer_from = out
    tokenizer = load_tokenizer(tokenizer_from)
    codec = TokenizerCodec(tokenizer, template="tiny")
    decoder = new_decoder(base.shape, vocabulary=tokenizer.get_vocab_size(), seed=seed)
    tokens = [encoding.ids for encoding in tokenizer.encode_batch(corpus, add_special_tokens=False)]
    ledger = Ledger(
        paths.out,
        weights=lambda: weights_digest(decoder),
        table="data/prompts/corpus.parquet",
        ids=table["r1_id"].to_list(),
        replay=paths.replay,
    )
    curve = pretrain(
        decoder,
        tokens,
        base.pretrain,
        pad_id=codec.pad_id,
        seed=seed,
        report=report,
        team=team_of(params),
        progress=progress(paths, "pretrain", report, ledger),
        used=ledger.rows,
    )
    ledger.write()
    save_checkpoint(decoder, tokenizer, out, tokenizer_from=tokenizer_from)
    paths.write_curve("curve", curve)
    paths.write_metrics(
        {
            "loss": curve[-1]["loss"],
            "tokens": curve[-1]["tokens"],
            "parameters": sum(p.numel() for p in decoder.parameters()),
        }
    )


def reward_judge(data: Path, model: Model) -> Judge:
    """The two reward models: helpful ones read the summary only, the safety one the whole response.

    Scores are probabilities (the logistic of the model's output), so both kinds share one scale.
    """
    codec = model.codec
    models = {kind: model.judging(data / "reward_model" / kind) for kind in ("helpful", "safety")}

    def judge(tasks: Sequence[Task], texts: Sequence[str]) -> list[float | None]:
        scores: list[float | None] = [None] * len(tasks)
        for kind, scores_of in models.items():
            rows = [i for i, task in enumerate(tasks) if task.kind == kind]
            raw = scores_of([read_by(kind, codec, tasks[i].prompt, texts[i]) for i in rows])
            for row, value in zip(rows, torch.tensor(raw).sigmoid().tolist(), strict=True):
                scores[row] = value
        return scores

    return judge


def read_by(kind: str, codec: TokenizerCodec, prompt: str, response: str) -> list[int]:
    """The tokens that a reward model reads: prompt and summary (helpful), or prompt and everything (safety)."""
    if kind == "helpful":
        response = f"{ANSWER}{split(response, codec.template).answer or ''}{END_ANSWER}"
    return codec.prompt(prompt) + codec.response(response)
