"""Chat templates for the tests, and tokenizers that know their special tokens."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from tests.tiny import CHATML, CHATML_MARKED, tiny_tokenizer

_SPECIAL = re.compile(
    r"<\|[A-Za-z_0-9]+\|>|<｜[^｜<>]+｜>|<(?:start|end)_of_turn>|<end_of_utterance>"
    r"|</?s>|\[/?INST\]|<\|turn>|<turn\|>|<eos>|\[gMASK\]|<sop>"
)

TRIMS = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
STRIPS_EARLIER_THOUGHTS = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' and not loop.last %}{{ m.content.split('</think>')[-1] | trim }}"
    "{% else %}{{ m.content }}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
DATE_IN_SYSTEM = (
    "<|im_start|>system\nToday is {{ strftime_now('%d %B %Y %H:%M:%S') }}.<|im_end|>\n" + CHATML
)
NEEDS_A_USER_FIRST = (
    "{% if messages[0].role != 'user' %}{{ raise_exception('Begin with the user') }}{% endif %}"
    + CHATML
)
ENDS_WITH_S = (
    "{% for m in messages %}{% if m.role == 'assistant' %} {{ m.content }}</s>"
    "{% else %}[INST] {{ m.content }} [/INST]{% endif %}{% endfor %}"
)
CLOSED_BY_THE_NEXT = (
    "{% for m in messages %}{% if m.role == 'user' %}{% if not loop.first %}</s>{% endif %}"
    "[INST] {{ m.content }} [/INST]{% else %} {{ m.content }}{% endif %}{% endfor %}"
)
NO_END_OF_TURN = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}{# <|user|><|assistant|><|system|> #}"
)
PLAIN_WORDS = (
    "{% for m in messages %}### {{ m.role | capitalize }}:\n{{ m.content }}\n### End\n\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}### Assistant:\n{% endif %}"
)
IGNORES_THE_PROMPT_FLAG = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
)
OTHER_MARKER_AT_THE_END = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{{ '<|return|>' if loop.last else '<|im_end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WRITES_TWICE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}\n{{ m.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TITLE_FROM_THE_QUESTION = "Title: {{ messages[0].content }}\n" + CHATML
LEAVES_ANSWERS_OUT = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{{ m.content if m.role == 'user' else 'hidden' }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TOOL_ANSWER_INSIDE = (
    "{% for m in messages %}{% if m.role == 'assistant' %}<|im_start|>assistant\n"
    "{% if m.tool_calls %}call {{ messages[loop.index0 + 1].content }} {% endif %}"
    "{{ m.content }}<|im_end|>\n{% elif m.role == 'user' %}<|im_start|>user\n{{ m.content }}"
    "<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
HEADER_INSIDE_A_TOKEN = (
    "{% for m in messages %}<|im_start|>{{ m.role }} th"
    "{% if m.role == 'assistant' %}"
    "{% generation %}{{ m.content + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ m.content + '<|im_end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant th{% endif %}"
)

__all__ = ["CHATML", "CHATML_MARKED", "shipped", "tokenizer_for"]


def shipped(name: str) -> str:
    """The text of a chat template in the installed trl package."""
    return (files("trl") / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8")


def shipped_names() -> list[str]:
    """Every chat template in the installed trl package."""
    folder = files("trl") / "chat_templates"
    return sorted(item.name[:-6] for item in folder.iterdir() if item.name.endswith(".jinja"))


@cache
def tokenizer_for(template: str) -> Any:
    """A tiny tokenizer with `template`, to which the template's special tokens are special."""
    return tiny_tokenizer(
        Path(mkdtemp()),
        chat_template=template,
        special_tokens=dict.fromkeys(_SPECIAL.findall(template)),
        bos_token="<bos>" if "bos_token" in template else None,
        eos_token="</s>" if "</s>" in template else "<eos>",
    )
