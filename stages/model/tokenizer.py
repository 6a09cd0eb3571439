"""The embedded world's tokenizer: byte-level BPE whose digits are single tokens.

The transcript's tags are ordinary added tokens, not special ones: decoders that skip special tokens
would lose them, and with them the answer.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import get_args

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from stages.contract.errors import UserError
from stages.contract.tables import owner
from stages.contract.transcript import END, TAGS, Template, render

PAD = "<|pad|>"
# Words take the blanks beside them; every digit and every sign stands alone.
_PIECES = r" ?[A-Za-z]+ ?| ?[一-鿿]+ ?|[0-9]|[^A-Za-z0-9一-鿿\s]|\s"


def train_tokenizer(texts: Iterable[str], *, vocabulary: int) -> Tokenizer:
    """Train on texts. The same texts in the same order give the same tokenizer."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(TAGS) - 1,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    plain = (_without_tags(text) for text in texts)
    tokenizer.train_from_iterator(plain, trainer)
    tokenizer.add_tokens([AddedToken(PAD, normalized=False, special=True)])
    tokenizer.add_tokens([AddedToken(tag, normalized=False, special=False) for tag in TAGS])
    return tokenizer


def _without_tags(text: str) -> str:
    for tag in TAGS:
        text = text.replace(tag, "\n")
    return text


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write the files that `AutoTokenizer` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": PAD,
        "eos_token": END,
        "model_max_length": 2048,
        "clean_up_tokenization_spaces": False,
        "chat_template": (
            "{% for m in messages %}{% if m['role'] == 'user' %}<|user|>{{ m['content'] }}"
            "{% elif m['role'] == 'assistant' %}<|assistant|>{{ m['content'] }}<|end|>{% endif %}{% endfor %}"
            "{% if add_generation_prompt %}<|assistant|>{% endif %}"
        ),
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")


def load_tokenizer(folder: Path) -> Tokenizer:
    """Load a checkpoint's `tokenizer.json`.

    Raises:
        UserError: the file is missing or is no tokenizer.
    """
    path = folder / "tokenizer.json"
    if not path.exists():
        raise UserError(
            f"{path.name} is missing from the checkpoint {folder.parent.name}/{folder.name}",
            hint=f"r1 run {owner(folder)} -f",
        )
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the tokenizers library raises bare Exception
        raise UserError(
            f"{folder.parent.name}/{folder.name}/{path.name} is no tokenizer ({error})",
            hint=f"r1 run {owner(folder)} -f",
        ) from error


def _id_of(tokenizer: Tokenizer, token: str) -> int:
    found: int | None = tokenizer.token_to_id(token)
    if found is None:
        raise UserError(f"the checkpoint's tokenizer lacks {token}: r1 did not make it", hint="r1 profile use tiny")
    return found


class TokenizerCodec:
    """Questions to token ids through the prompt template, completions back to text (without the end token).

    Raises:
        UserError: the tokenizer is not the embedded world's: it lacks the end or the padding token.
    """

    def __init__(self, tokenizer: Tokenizer, *, template: Template) -> None:
        self.tokenizer = tokenizer
        self.template: Template = template
        self.end_id = _id_of(tokenizer, END)
        self.pad_id = _id_of(tokenizer, PAD)

    def prompt(self, question: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(render(question, self.template), add_special_tokens=False).ids
        return ids

    def other_templates(self) -> dict[str, Callable[[str], list[int]]]:
        """What a question would become under each template that is not in use."""
        names: tuple[Template, ...] = get_args(Template)
        return {name: TokenizerCodec(self.tokenizer, template=name).prompt for name in names if name != self.template}

    def response(self, text: str) -> list[int]:
        """Token ids of a whole response, the end token included."""
        ids: list[int] = self.tokenizer.encode(text + END, add_special_tokens=False).ids
        return ids

    def text(self, tokens: Sequence[int]) -> str:
        kept = [t for t in tokens if t != self.end_id]
        decoded: str = self.tokenizer.decode(kept, skip_special_tokens=False)
        return decoded
