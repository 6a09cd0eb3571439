"""A checkpoint that several processes train together (stages/model/trainer.py)."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

from stages.assembly.models import Model, Scalar, Scores, team_of
from stages.contract.engine import Completion, Engine, OnFinished
from stages.contract.errors import UserError
from stages.contract.params import Params
from stages.contract.ranks import ranks_of
from stages.contract.team import Team
from stages.model.checkpoint import TOKENIZER_FILES, load_decoder
from stages.model.decoder import Decoder
from stages.model.tokenizer import TokenizerCodec, load_tokenizer
from stages.model.trainer import connect, open_frozen, open_sharded
from stages.model.transformer import TransformerPolicy, TransformerReward, classifier_of, load_transformer
from stages.rollout.embedded import EmbeddedEngine


class FirstSamples:
    """The embedded engine in the first process, with the trained weights; all processes get what it sampled."""

    def __init__(self, folder: Path, policy: TransformerPolicy, codec: TokenizerCodec, team: Team, batch: int) -> None:
        self._folder, self._policy, self._codec, self._team, self._batch = folder, policy, codec, team, batch

    @cached_property
    def _decoder(self) -> Decoder:
        return load_decoder(self._folder)

    @cached_property
    def _engine(self) -> Engine:
        codec = self._codec
        return EmbeddedEngine(
            self._decoder, end_id=codec.end_id, pad_id=codec.pad_id, batch=self._batch, team=self._team
        )

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        draws: int,
        max_new_tokens: int,
        temperature: float,
        top_p: float,
        seed: int,
        on_finished: OnFinished | None = None,
    ) -> list[list[Completion]]:
        streamed = self._policy.model.whole()
        processes = self._policy.model.processes
        if not processes.leads:
            for _ in streamed.tensors():
                pass  # takes its part in putting them together
            return processes.first([])
        mine = dict(self._decoder.named_parameters())
        for spec, tensor in zip(streamed.specs(), streamed.tensors(), strict=True):
            mine[spec.name].data.copy_(tensor)
        return processes.first(
            self._engine.generate(
                prompts,
                draws=draws,
                max_new_tokens=max_new_tokens,
                temperature=temperature,
                top_p=top_p,
                seed=seed,
                on_finished=on_finished,
            )
        )


class _NoSamples:
    """Stands where a training doesn't sample."""

    def __init__(self, engine: str) -> None:
        self._engine = engine

    def generate(self, *prompts: object, **settings: object) -> list[list[Completion]]:
        raise UserError(
            f"rollout.engine {self._engine!r} doesn't sample for trainer.engine deepspeed in this release of r1",
            hint="r1 run STAGE --set rollout.engine=embedded",
        )


def open_together(folder: Path, params: Params) -> Model:
    """Load a checkpoint in every process of this job, to be trained by DeepSpeed."""
    assert params.rollout is not None
    ranks, settings, rollout, team = ranks_of(os.environ), params.trainer, params.rollout, team_of(params)
    processes = connect(ranks)
    tokenizer = load_tokenizer(folder)
    codec = TokenizerCodec(tokenizer, template=rollout.template)
    policy = TransformerPolicy(
        open_sharded(partial(load_transformer, folder, settings), settings, ranks, processes), pad_id=codec.pad_id
    )

    config = json.loads((folder / "config.json").read_text())

    def save(trained: TransformerPolicy | TransformerReward, changed: Mapping[str, object], out: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        trained.write(out)
        if processes.leads:
            written = {**config, "dtype": settings.dtype, **changed}
            (out / "config.json").write_text(json.dumps(written, indent=1) + "\n")
            for name in (name for name in (*TOKENIZER_FILES, "generation_config.json") if (folder / name).exists()):
                shutil.copyfile(folder / name, out / name)

    def scalar() -> Scalar:
        """All its weights are trained: adapters would leave its head out."""
        whole = replace(settings, lora=None)
        built = partial(load_transformer, folder, whole, labels=1)
        trained = TransformerReward(open_sharded(built, whole, ranks, processes), pad_id=codec.pad_id)
        headed = {"architectures": [classifier_of(config)], "num_labels": 1}
        names = {"id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}
        return Scalar(scoring=trained, save=partial(save, trained, {**headed, **names}), weights_digest=trained.digest)

    def judging(path: Path) -> Scores:
        frozen = open_frozen(partial(load_transformer, path, settings, labels=1), settings, ranks, processes)
        return TransformerReward(frozen, pad_id=codec.pad_id).score_all

    samples = rollout.engine == "embedded"
    return Model(
        folder=folder,
        policy=policy,
        codec=codec,
        engine=FirstSamples(folder, policy, codec, team, rollout.batch) if samples else _NoSamples(rollout.engine),
        team=team,
        positions=config["max_position_embeddings"],
        save=partial(save, policy, {}),
        weights_digest=policy.digest,
        scalar=scalar,
        judging=judging,
        processes=processes,
    )
