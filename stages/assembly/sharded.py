"""A checkpoint that several processes train together (stages/model/trainer.py)."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

from torch import Tensor

from stages.assembly.models import Model, Scalar, Scores, team_of
from stages.contract.engine import Completion, Engine, OnFinished
from stages.contract.params import VLLM, Params
from stages.contract.ranks import ranks_of
from stages.contract.team import Team
from stages.model.checkpoint import TOKENIZER_FILES, load_decoder
from stages.model.decoder import Decoder
from stages.model.tokenizer import TokenizerCodec, load_tokenizer
from stages.model.trainer import connect, open_frozen, open_sharded
from stages.model.transformer import TransformerPolicy, TransformerReward, classifier_of, load_transformer
from stages.rollout.embedded import EmbeddedEngine
from stages.rollout.served import vllm_engine


class FirstSamples:
    """The embedded engine in the first process, with the trained weights; all processes get what it sampled."""

    copies_weights = False  # each call brings them

    def __init__(self, folder: Path, policy: TransformerPolicy, codec: TokenizerCodec, team: Team, batch: int) -> None:
        self._folder, self._policy, self._codec, self._team, self._batch = folder, policy, codec, team, batch

    def renew(self) -> None: ...

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


class FirstAsks:
    """vLLM, of which only the first process knows; all processes get what it sampled, and all bring it new weights.

    Where several train together it is a process of its own: vLLM in one of them would take the others for its own.
    """

    copies_weights = True

    def __init__(self, folder: Path, policy: TransformerPolicy, codec: TokenizerCodec, team: Team, vllm: VLLM) -> None:
        self._policy = policy
        self._processes = policy.model.processes
        self._engine: Engine | None = None
        if self._processes.leads:
            self._engine = vllm_engine(
                folder,
                settings=vllm,
                end_id=codec.end_id,
                weights=self._weights,
                threads=team.size,
                apart=self._processes.size > 1,
            )

    def _weights(self) -> Iterator[tuple[str, Tensor]]:
        streamed = self._policy.model.whole()
        names = (spec.name for spec in streamed.specs())
        yield from zip(names, streamed.tensors(), strict=True)

    def renew(self) -> None:
        if self._engine is None:
            for _ in self._weights():
                pass  # takes its part in putting them together
        else:
            self._engine.renew()

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
        if self._engine is None:
            return self._processes.first([])
        return self._processes.first(
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

    embedded = rollout.engine == "embedded"
    return Model(
        folder=folder,
        policy=policy,
        codec=codec,
        engine=FirstSamples(folder, policy, codec, team, rollout.batch)
        if embedded
        else FirstAsks(folder, policy, codec, team, rollout.vllm),
        team=team,
        positions=config["max_position_embeddings"],
        save=partial(save, policy, {}),
        weights_digest=policy.digest,
        scalar=scalar,
        judging=judging,
        processes=processes,
    )
