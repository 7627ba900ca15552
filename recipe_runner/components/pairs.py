"""What algorithms that learn from pairs of answers have in common: sample rows, and arguments decided elsewhere."""

from collections.abc import Mapping
from typing import Any

PAIR_ROWS: tuple[Mapping[str, Any], ...] = (
    {"prompt": "2 + 2 =", "chosen": " 4", "rejected": " 5"},
    {
        "prompt": [{"role": "user", "content": "Which planet is red?"}],
        "chosen": [{"role": "assistant", "content": "Mars."}],
        "rejected": [{"role": "assistant", "content": "Planets are fascinating."}],
    },
    {
        "chosen": [
            {"role": "user", "content": "Is 91 prime?"},
            {"role": "assistant", "content": "No: 7 x 13 = 91."},
        ],
        "rejected": [
            {"role": "user", "content": "Is 91 prime?"},
            {"role": "assistant", "content": "Yes."},
        ],
    },
)
"""A pair of texts, a pair of messages, and a pair whose answers begin with the prompt."""

MANAGED = frozenset(
    {
        "model_init_kwargs",
        "trust_remote_code",
        "dataset_num_proc",
        "max_length",
        "max_completion_length",
        "truncation_mode",
        "padding_free",
        "pad_token",
        "padding_value",
        "eos_token",
        "chat_template_path",
        "generate_during_eval",
        "is_encoder_decoder",
    }
)
"""Arguments of these trainers that other sections of a recipe decide."""
