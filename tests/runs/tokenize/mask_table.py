"""Our mask beside the oracle's, for many chat templates and conversations.

`python -m tests.runs.tokenize.mask_table` prints one line for each template.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from recipe_runner.execute.tokenize import TokenizeSettings, tokenize_batch
from recipe_runner.plan import LossPlan
from recipe_runner.rows import RowProblem
from tests.runs.tokenize import templates as t
from tests.runs.tokenize.adversarial import ADVERSARIAL
from tests.runs.tokenize.conversations import CONVERSATIONS, Conversation, in_parts
from tests.runs.tokenize.mask_oracle import Refused, Renderer, trained_spans

IN_PARTS = ("idefics3", "llava_next", "smolvlm")

# What closes an answer, by the beginning of a template's name, the longest that fits.
CLOSERS: dict[str, tuple[str, ...]] = {
    "cohere": ("<|END_OF_TURN_TOKEN|>",),
    "cohere2": ("<|END_RESPONSE|><|END_OF_TURN_TOKEN|>",),
    "deepseek": ("<｜end▁of▁sentence｜>",),
    "diffusion_gemma": ("<turn|>",),
    "gemma": ("<end_of_turn>",),
    "gemma4": ("<turn|>",),
    "glm4moe": ("",),
    "gptoss": ("<|return|>", "<|end|>"),
    "idefics3": ("<end_of_utterance>",),
    "lfm2": ("<|im_end|>",),
    "llama3": ("<|eot_id|>",),
    "llava_next": ("</s>",),
    "muse_glimmer": ("<|eot|>",),
    "nemotron": ("<|im_end|>",),
    "phi3": ("<|end|>",),
    "qwen": ("<|im_end|>",),
    "smolvlm": ("<end_of_utterance>",),
    "ours alpaca": ("",),
    "ours chatml": ("<|im_end|>",),
    "ours llama3": ("<|eot_id|>",),
    "ours quickstart": ("<|im_end|>",),
    "ours zephyr": ("</s>",),
}


@dataclass
class Line:
    """What was found for one template."""

    template: str
    conversations: int = 0
    not_rendered: int = 0
    compared: int = 0
    equal: int = 0
    refused: list[str] = field(default_factory=list)
    mismatches: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)


def names() -> list[str]:
    """Every template: those of the installed trl, those shipped here, and adversarial ones."""
    own = files("recipe_runner") / "shipped" / "chat_templates"
    shipped = sorted(f"ours {item.name[:-6]}" for item in own.iterdir())
    return [*t.shipped_names(), *shipped, *(f"adversarial {name}" for name in ADVERSARIAL)]


def source_of(name: str) -> str:
    """The Jinja text of a template."""
    if name.startswith("ours "):
        own = files("recipe_runner") / "shipped" / "chat_templates"
        return (own / f"{name[5:]}.jinja").read_text(encoding="utf-8")
    return ADVERSARIAL[name[12:]][0] if name.startswith("adversarial ") else t.shipped(name)


def line_of(name: str) -> Line:
    """Compare all conversations under one template."""
    tokenizer = t.tokenizer_for(source_of(name))
    line = Line(name)
    for conversation in CONVERSATIONS:
        shown = in_parts(conversation) if name.startswith(IN_PARTS) else conversation
        line.conversations += 1
        _compare(line, tokenizer, shown, _closers(name))
    return line


def _closers(name: str) -> tuple[str, ...]:
    if name.startswith("adversarial "):
        return ADVERSARIAL[name[12:]][1]
    return CLOSERS[max((key for key in CLOSERS if name.startswith(key)), key=len)]


def _compare(
    line: Line, tokenizer: Any, conversation: Conversation, closers: Sequence[str]
) -> None:
    render = Renderer(tokenizer, conversation.kwargs, conversation.tools)
    messages = conversation.messages
    try:
        text = render(messages)
    except Refused:
        line.not_rendered += 1
        return
    expected = trained_spans(render, messages, closers)
    example: Any = {"messages": messages, "chat_template_kwargs": conversation.kwargs}
    if conversation.tools:
        example["tools"] = list(conversation.tools)
    [found] = tokenize_batch([example], tokenizer, TokenizeSettings(LossPlan.of("assistant")))
    if isinstance(found, RowProblem):
        line.refused.append(f"{conversation.name}: {found.reason}")
    elif expected is None:
        line.unchecked.append(conversation.name)
    else:
        line.compared += 1
        labels = labels_of(tokenizer, text, expected)
        if labels == found[0].labels:
            line.equal += 1
        else:
            ours = _shown(tokenizer, found[0].input_ids, found[0].labels)
            theirs = _shown(tokenizer, found[0].input_ids, labels)
            line.mismatches.append(f"{conversation.name}: {ours} instead of {theirs}")


def labels_of(tokenizer: Any, text: str, spans: Sequence[tuple[int, int]]) -> list[int]:
    """A token trains where it holds a character of a span, and is no special one before it."""
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    special = set(tokenizer.all_special_ids)
    labels = []
    for token, (start, end) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True):
        inside = any(
            start < stop and end > begin and not (token in special and start < begin)
            for begin, stop in spans
        )
        labels.append(token if inside else -100)
    return labels


def _shown(tokenizer: Any, ids: Sequence[int], labels: Sequence[int]) -> str:
    pairs = zip(ids, labels, strict=True)
    return repr("".join(tokenizer.decode([i]) if i == label else "·" for i, label in pairs))


def main() -> int:
    """Print the table; 1 where a mask differs from the oracle's."""
    lines = [line_of(name) for name in names()]
    head = (
        "template",
        "conversations",
        "not rendered",
        "compared",
        "equal",
        "refused",
        "unchecked",
    )
    print("{:<36}{:>14}{:>13}{:>10}{:>7}{:>9}{:>11}".format(*head))
    for line in lines:
        print(
            f"{line.template:<36}{line.conversations:>14}{line.not_rendered:>13}"
            f"{line.compared:>10}{line.equal:>7}{len(line.refused):>9}{len(line.unchecked):>11}"
        )
    total = [
        sum(values)
        for values in zip(
            *(
                (
                    n.conversations,
                    n.not_rendered,
                    n.compared,
                    n.equal,
                    len(n.refused),
                    len(n.unchecked),
                )
                for n in lines
            ),
            strict=True,
        )
    ]
    label = f"{len(lines)} templates"
    print("{:<36}{:>14}{:>13}{:>10}{:>7}{:>9}{:>11}".format(label, *total))
    for line in lines:
        for kind, words in (
            ("mismatch", line.mismatches),
            ("refused", line.refused),
            ("unchecked", line.unchecked),
        ):
            for each in words:
                print(f"{kind}: {line.template}, {each}")
    return int(any(line.mismatches for line in lines))


if __name__ == "__main__":
    sys.exit(main())
