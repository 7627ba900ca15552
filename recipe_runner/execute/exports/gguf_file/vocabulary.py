"""The tokens of a model as llama.cpp wants them, or the reason why they cannot be told to it."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recipe_runner.execute.codes.exports import TOKENIZER_NOT_EXPORTABLE
from recipe_runner.execute.exports.gguf_file.splitting import NAMES, way_of
from recipe_runner.execute.exports.samples import SYSTEM
from recipe_runner.execute.fault import fault

_CONVERSATION = [
    {"role": "user", "content": "What is 2 + 2?"},
    {"role": "assistant", "content": "4."},
    {"role": "user", "content": "And 3 + 3?"},
]
# Between these tags stands what trains; for the text they mean nothing, and other readers of
# templates do not know them. A comment takes white space in the same way.
_MARKS = re.compile(r"\{%([-+]?)\s*(?:end)?generation\s*([-+]?)%\}")


@dataclass(frozen=True)
class Vocabulary:
    """Tokens in the order of their ids, with llama.cpp's type for each, and how they come to be.

    `special` are ids by llama.cpp's words for them ("bos", "eos", "eot", "pad", ...). Of
    several `chat_templates` llama.cpp takes the one named "default".
    """

    way: str
    tokens: Sequence[str]
    types: Sequence[int]
    merges: Sequence[str]
    special: Mapping[str, int]
    add_bos: bool
    add_eos: bool
    chat_templates: Mapping[str, str]

    def write(self, writer: Any) -> None:
        """Write all of it into a GGUF file."""
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(self.way)
        writer.add_token_list(list(self.tokens))
        writer.add_token_types(list(self.types))
        writer.add_token_merges(list(self.merges))
        for word, number in self.special.items():
            getattr(writer, f"add_{word}_token_id")(number)
        writer.add_add_bos_token(self.add_bos)
        writer.add_add_eos_token(self.add_eos)
        if self.chat_templates:
            named = self.chat_templates.items()
            writer.add_chat_template([{"name": name, "template": text} for name, text in named])


def read_vocabulary(folder: Path, rows: int) -> Vocabulary:
    """The vocabulary of the tokenizer in `folder`, for a model with `rows` embeddings.

    Reports RR738 where llama.cpp would make other tokens of a text.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    spec = _spec(folder)
    way = way_of(spec)
    if way is None:
        raise _refused(
            folder,
            "it cuts texts into words in a way that llama.cpp does not know by a name",
            f"llama.cpp's names for the patterns that are recognised are {', '.join(NAMES)}",
        )
    for reason in _oddities(spec):
        raise _refused(folder, reason, "export to another target, or train with another tokenizer")
    tokens, types = _tokens(folder, spec, rows)
    plain = tokenizer("a", add_special_tokens=False)["input_ids"]
    marked = tokenizer("a")["input_ids"]
    return Vocabulary(
        way=way,
        tokens=tokens,
        types=types,
        merges=_merges(spec),
        special=_special(tokenizer, folder, rows),
        add_bos=marked[0] == tokenizer.bos_token_id and plain[0] != tokenizer.bos_token_id,
        add_eos=marked[-1] == tokenizer.eos_token_id and plain[-1] != tokenizer.eos_token_id,
        chat_templates=_templates(tokenizer),
    )


def _spec(folder: Path) -> Any:
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise _refused(
            folder,
            "there is no tokenizer.json",
            "save the tokenizer in its fast form: AutoTokenizer.from_pretrained(...)"
            ".save_pretrained(...)",
        )
    return json.loads(path.read_text(encoding="utf-8"))


def _oddities(spec: Mapping[str, Any]) -> list[str]:
    """What a tokenizer does to a text beside cutting and merging, as the ends of a sentence."""
    found = []
    normalizer = spec.get("normalizer")
    # llama.cpp leaves a text as it is; composed characters are the form that nearly all text has.
    if normalizer is not None and normalizer["type"] != "NFC":
        found.append(f"it changes texts first ({normalizer['type']})")
    model = spec["model"]
    found.extend(
        f"it writes {model[option]!r} into its tokens"
        for option in ("continuing_subword_prefix", "end_of_word_suffix")
        if model.get(option)
    )
    found.extend(
        f"its token {token['content']!r} takes white space around it along"
        for token in spec.get("added_tokens", ())
        if token["lstrip"] or token["rstrip"] or token["single_word"]
    )
    return found


def _tokens(folder: Path, spec: Mapping[str, Any], rows: int) -> tuple[list[str], list[int]]:
    from gguf import TokenType

    known: dict[int, tuple[str, int]] = {
        number: (text, TokenType.NORMAL) for text, number in spec["model"]["vocab"].items()
    }
    for token in spec.get("added_tokens", ()):
        kind = TokenType.CONTROL if token["special"] else TokenType.USER_DEFINED
        known[token["id"]] = (token["content"], kind)
    if max(known) >= rows:
        raise _refused(
            folder,
            f"its token {max(known)} has no embedding: the model has {rows} of them",
            "train with `tokenizer.resize_embeddings_multiple_of`, which makes them fit",
        )
    # Embeddings beyond the last token are there to make a size round.
    spare = {
        number: (f"[PAD{number}]", TokenType.UNUSED)
        for number in range(rows)
        if number not in known
    }
    both = {**known, **spare}
    ordered = [both[number] for number in range(rows)]
    return [text for text, _ in ordered], [int(kind) for _, kind in ordered]


def _merges(spec: Mapping[str, Any]) -> list[str]:
    merges = spec["model"]["merges"]
    return [merge if isinstance(merge, str) else " ".join(merge) for merge in merges]


def _special(tokenizer: Any, folder: Path, rows: int) -> dict[str, int]:
    """Ids by llama.cpp's words; an answer ends with any of `eos`, `eot` and `eom`."""
    found = {
        "bos": tokenizer.bos_token_id,
        "eos": tokenizer.eos_token_id,
        "unk": tokenizer.unk_token_id,
        "pad": tokenizer.pad_token_id,
    }
    others = [end for end in _ends(folder) if end != tokenizer.eos_token_id]
    if len(others) > 2:
        raise _refused(
            folder,
            f"{len(others) + 1} tokens end an answer, and a file names three",
            "take the ones that the model does not write out of generation_config.json",
        )
    found |= dict(zip(("eot", "eom"), others, strict=False))
    return {word: number for word, number in found.items() if number is not None and number < rows}


def _ends(folder: Path) -> list[int]:
    path = folder / "generation_config.json"
    if not path.is_file():
        return []
    ends = json.loads(path.read_text(encoding="utf-8")).get("eos_token_id")
    return ends if isinstance(ends, list) else [] if ends is None else [ends]


def _templates(tokenizer: Any) -> dict[str, str]:
    """The chat templates by their names, without the marks of what trains."""
    known = tokenizer.chat_template
    named = {"default": known} if isinstance(known, str) else dict(known or {})
    return {name: _without_marks(tokenizer, template) for name, template in named.items()}


def _without_marks(tokenizer: Any, template: str) -> str:
    """A template that renders the same text; the one with its marks where it would not."""
    plain = _MARKS.sub(r"{#\1 \2#}", template)
    return plain if _rendered(tokenizer, plain) == _rendered(tokenizer, template) else template


def _rendered(tokenizer: Any, template: str) -> Any:
    """What becomes of a conversation; None where the template takes neither with a system turn."""
    from jinja2 import TemplateError

    for turns in (_CONVERSATION, [SYSTEM, *_CONVERSATION]):
        with contextlib.suppress(TemplateError, TypeError):
            return tokenizer.apply_chat_template(
                turns, chat_template=template, tokenize=False, add_generation_prompt=True
            )
    return None


def _refused(folder: Path, reason: str, help: str) -> Exception:
    return fault(
        TOKENIZER_NOT_EXPORTABLE,
        folder,
        f"the tokenizer cannot be told to llama.cpp: {reason}",
        help,
    )
