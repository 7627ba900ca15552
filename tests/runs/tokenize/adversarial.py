"""Chat templates that do odd things with messages, and what closes an answer in each."""

from __future__ import annotations

from tests.runs.tokenize import templates as t

_HEAD = "{% for m in messages %}<|im_start|>{{ m.role }}\n"
_FOOT = "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
_PLAIN = "{{ m.content }}<|im_end|>\n"
_IM_END = ("<|im_end|>",)

ADVERSARIAL: dict[str, tuple[str, tuple[str, ...]]] = {
    "trims": (t.TRIMS, _IM_END),
    "strips earlier thoughts": (t.STRIPS_EARLIER_THOUGHTS, _IM_END),
    "date": (t.DATE_IN_SYSTEM.replace(":%S", "").replace(" %H:%M", ""), _IM_END),
    "user first": (t.NEEDS_A_USER_FIRST, _IM_END),
    "no header": (t.ENDS_WITH_S, ("</s>",)),
    "closed by the next": (t.CLOSED_BY_THE_NEXT, ("</s>", "")),
    "no end of turn": (t.NO_END_OF_TURN, ("",)),
    "plain words": (t.PLAIN_WORDS, ("\n### End",)),
    "no prompt flag": (t.IGNORES_THE_PROMPT_FLAG, _IM_END),
    "other marker at the end": (t.OTHER_MARKER_AT_THE_END, ("<|return|>", "<|im_end|>")),
    "title from the question": (t.TITLE_FROM_THE_QUESTION, _IM_END),
    "header inside a token": (t.HEADER_INSIDE_A_TOKEN, _IM_END),
    "writes twice": (t.WRITES_TWICE, _IM_END),
    "leaves answers out": (t.LEAVES_ANSWERS_OUT, _IM_END),
    "tool answer inside": (t.TOOL_ANSWER_INSIDE, _IM_END),
    "uppercase": (_HEAD + "{{ m.content | upper }}<|im_end|>\n" + _FOOT, _IM_END),
    "system at the end": (
        "{% for m in messages if m.role != 'system' %}<|im_start|>{{ m.role }}\n"
        + _PLAIN
        + "{% endfor %}{% for m in messages if m.role == 'system' %}<|im_start|>system\n"
        + _PLAIN
        + _FOOT,
        _IM_END,
    ),
    "system in the first question": (
        "{% set ns = namespace(s='') %}{% for m in messages %}{% if m.role == 'system' %}"
        "{% set ns.s = m.content + '\n\n' %}{% else %}<|im_start|>{{ m.role }}\n"
        "{{ (ns.s if m.role == 'user' else '') + m.content }}<|im_end|>\n"
        "{% if m.role == 'user' %}{% set ns.s = '' %}{% endif %}{% endif %}" + _FOOT,
        _IM_END,
    ),
    "default system": (
        "{% if messages[0].role != 'system' %}<|im_start|>system\nYou are helpful.<|im_end|>\n"
        "{% endif %}" + _HEAD + _PLAIN + _FOOT,
        _IM_END,
    ),
    "thought in the prompt": (
        _HEAD + _PLAIN + _FOOT.replace("assistant\n", "assistant\n<think>\n"),
        _IM_END,
    ),
    "empty thought in each answer": (
        _HEAD + "{% if m.role == 'assistant' %}<think>\n\n</think>\n\n{% endif %}" + _PLAIN + _FOOT,
        _IM_END,
    ),
    "strips the last newline": (
        _HEAD
        + "{{ m.content[:-1] if m.content.endswith('\n') else m.content }}<|im_end|>\n"
        + _FOOT,
        _IM_END,
    ),
    "end only at the end": (
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant:{% else %}{{ eos_token }}{% endif %}",
        ("\n<eos>", ""),
    ),
    "numbered turns": (
        "{% for m in messages %}<|im_start|>{{ m.role }} {{ loop.index }}\n"
        + _PLAIN
        + "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant "
        "{{ messages | length + 1 }}\n{% endif %}",
        _IM_END,
    ),
    "counts the turns": (
        "{{ messages | length }} messages\n" + _HEAD + _PLAIN + _FOOT,
        _IM_END,
    ),
    "quotes contents": (
        "{% for m in messages %}{{ m.role }}={{ m.content | tojson }};{% endfor %}"
        "{% if add_generation_prompt %}assistant={% endif %}",
        ('";',),
    ),
    "tool results in one turn": (
        "{% for m in messages %}{% if m.role == 'tool' %}"
        "{% if messages[loop.index0 - 1].role != 'tool' %}<|im_start|>user\n{% endif %}"
        "<result>{{ m.content }}</result>"
        "{% if loop.last or messages[loop.index0 + 1].role != 'tool' %}<|im_end|>\n{% endif %}"
        "{% else %}<|im_start|>{{ m.role }}\n{{ m.content }}"
        "{% for c in m.tool_calls or [] %}<call>{{ c.function | tojson }}</call>{% endfor %}"
        "<|im_end|>\n{% endif %}" + _FOOT,
        _IM_END,
    ),
    "footer behind all": (
        _HEAD + _PLAIN + "{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% else %}<|endoftext|>{% endif %}",
        _IM_END,
    ),
    "cuts long answers": (
        _HEAD + "{{ m.content[:4] if m.role == 'assistant' else m.content }}<|im_end|>\n" + _FOOT,
        _IM_END,
    ),
}
"""By name: the template, and what closes an answer, the longest that fits first."""
