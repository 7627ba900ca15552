"""Tiny models that see, with random weights and a processor, made in a moment, on disk.

Each family has its own way of putting an image into the tokens of a conversation:
LLaVA repeats one token, Qwen2-VL as often as the image's size asks for, Gemma 3 puts line
breaks around it, Idefics 3 writes a grid of tiles with row and column marks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.tiny import tiny_tokenizer

COLOURS: Mapping[str, tuple[int, int, int]] = {
    "red": (220, 20, 20),
    "green": (20, 180, 40),
    "blue": (30, 40, 220),
    "white": (250, 250, 250),
}


def picture(path: Path, colour: str, size: tuple[int, int] = (56, 56)) -> Path:
    """Write a square of one colour."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, COLOURS[colour]).save(path)
    return path


def seen(image: object, question: str, answer: str) -> list[dict[str, Any]]:
    """A conversation of one question about one image."""
    parts = [{"type": "image", "image": image}, {"type": "text", "text": question}]
    return [{"role": "user", "content": parts}, {"role": "assistant", "content": answer}]


def colour_chats(folder: Path, rows: int = 16) -> Path:
    """Write `chat.jsonl` and `pictures/`: which colour is it?"""
    names = list(COLOURS)
    for name in names:
        picture(folder / "pictures" / f"{name}.png", name)
    lines = [
        {"messages": seen(f"pictures/{name}.png", "what colour is it?", f"{name}!")}
        for name in (names[number % len(names)] for number in range(rows))
    ]
    path = folder / "chat.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def vision_template(place: str) -> str:
    """A ChatML template for contents in parts, which writes `place` for an image."""
    return (
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
        "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
        "{% for part in message['content'] %}{% if part['type'] == 'image' %}"
        "{{ '" + place + "' }}{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}"
        "{{ '<|im_end|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )


@dataclass(frozen=True)
class _Family:
    """How a family is made: its image tokens by name, the place in a template, the two makers."""

    tokens: Mapping[str, str]
    place: str
    config: Callable[[Any, Mapping[str, Any]], Any]
    processor: Callable[[Any, str], Any]
    more: Sequence[str] = ()


def tiny_vision(directory: Path, *, family: str = "llava", seed: int = 0) -> Path:
    """Write a random model of `family` with its processor, and return `directory`."""
    import torch
    from transformers import AutoModelForImageTextToText

    made = FAMILIES[family]
    tokenizer = _tokenizer(directory, made)
    made.processor(tokenizer, vision_template(made.place)).save_pretrained(directory)
    torch.manual_seed(seed)
    config = made.config(tokenizer, _text(tokenizer))
    AutoModelForImageTextToText.from_config(config, dtype=torch.float32).save_pretrained(directory)
    return directory


def _tokenizer(directory: Path, family: _Family) -> Any:
    special: Iterable[str] = [*family.tokens.values(), *family.more]
    tiny_tokenizer(directory, chat_template=None, special_tokens=special)
    path = directory / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["extra_special_tokens"] = dict(family.tokens)
    path.write_text(json.dumps(config), encoding="utf-8")
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(directory)


def _text(tokenizer: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 512,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


_CLIP = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 56,
    "patch_size": 14,
}


def _llava_config(tokenizer: Any, text: Mapping[str, Any]) -> Any:
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig

    return LlavaConfig(
        vision_config=CLIPVisionConfig(**_CLIP, projection_dim=32),
        text_config=LlamaConfig(**text),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_select_strategy="default",
        vision_feature_layer=-1,
    )


def _llava_processor(tokenizer: Any, template: str) -> Any:
    from transformers import LlavaProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    images = CLIPImageProcessorPil(
        size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56}
    )
    return LlavaProcessor(
        images,
        tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template,
    )


def _qwen_config(tokenizer: Any, text: Mapping[str, Any]) -> Any:
    from transformers import Qwen2VLConfig

    number = tokenizer.convert_tokens_to_ids
    values = {k: v for k, v in text.items() if k != "head_dim"}
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
    return Qwen2VLConfig(
        text_config={**values, "rope_parameters": rope},
        vision_config={
            "depth": 2,
            "embed_dim": 32,
            "hidden_size": 32,
            "num_heads": 4,
            "mlp_ratio": 2,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
        },
        image_token_id=number("<|image_pad|>"),
        video_token_id=number("<|video_pad|>"),
        vision_start_token_id=number("<|vision_start|>"),
        vision_end_token_id=number("<|vision_end|>"),
    )


def _qwen_processor(tokenizer: Any, template: str) -> Any:
    # Qwen's own processor takes videos too and wants torchvision for that; PaddleOCR-VL's
    # does the same for images alone.
    from transformers import PaddleOCRVLProcessor
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    images = Qwen2VLImageProcessorPil(min_pixels=28 * 28, max_pixels=84 * 84)
    return PaddleOCRVLProcessor(images, tokenizer, chat_template=template)


def _gemma_config(tokenizer: Any, text: Mapping[str, Any]) -> Any:
    from transformers import Gemma3Config

    number = tokenizer.convert_tokens_to_ids
    return Gemma3Config(
        text_config=dict(text),
        vision_config=dict(_CLIP),
        mm_tokens_per_image=4,
        boi_token_index=number("<start_of_image>"),
        eoi_token_index=number("<end_of_image>"),
        image_token_index=number("<image_soft_token>"),
    )


def _gemma_processor(tokenizer: Any, template: str) -> Any:
    from transformers import Gemma3Processor
    from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

    images = Gemma3ImageProcessorPil(size={"height": 56, "width": 56})
    return Gemma3Processor(images, tokenizer, image_seq_length=4, chat_template=template)


def _idefics_config(tokenizer: Any, text: Mapping[str, Any]) -> Any:
    from transformers import Idefics3Config, LlamaConfig

    return Idefics3Config(
        text_config=LlamaConfig(**text),
        vision_config=dict(_CLIP),
        scale_factor=2,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=tokenizer.pad_token_id,
    )


def _idefics_processor(tokenizer: Any, template: str) -> Any:
    from transformers import Idefics3Processor
    from transformers.models.idefics3.image_processing_pil_idefics3 import (
        Idefics3ImageProcessorPil,
    )

    images = Idefics3ImageProcessorPil(
        size={"longest_edge": 112}, max_image_size={"longest_edge": 56}
    )
    return Idefics3Processor(images, tokenizer, image_seq_len=4, chat_template=template)


FAMILIES: Mapping[str, _Family] = {
    "llava": _Family({"image_token": "<image>"}, "<image>", _llava_config, _llava_processor),
    "qwen2_vl": _Family(
        {"image_token": "<|image_pad|>"},
        "<|vision_start|><|image_pad|><|vision_end|>",
        _qwen_config,
        _qwen_processor,
        ("<|video_pad|>", "<|vision_start|>", "<|vision_end|>"),
    ),
    "gemma3": _Family(
        {
            "image_token": "<image_soft_token>",
            "boi_token": "<start_of_image>",
            "eoi_token": "<end_of_image>",
        },
        "<start_of_image>",
        _gemma_config,
        _gemma_processor,
    ),
    "idefics3": _Family(
        {"image_token": "<image>"},
        "<image>",
        _idefics_config,
        _idefics_processor,
        (
            "<fake_token_around_image>",
            "<global-img>",
            *(f"<row_{row}_col_{col}>" for row in range(1, 7) for col in range(1, 7)),
        ),
    ),
}
