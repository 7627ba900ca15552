"""Conversations with images: read, tokenized with the loss mask, and collated.

Knows examples and processors, and no algorithm: supervised fine-tuning takes the prepared
rows, trainers that tokenize on their own take `to_trl`.
"""

from recipe_runner.execute.vision.collator import VisionCollator
from recipe_runner.execute.vision.examples import split, to_trl
from recipe_runner.execute.vision.images import ImageFolder, image_base
from recipe_runner.execute.vision.processor import image_token_ids, load_processor
from recipe_runner.execute.vision.reading import plain_tokens
from recipe_runner.execute.vision.rows import ImageRow, TextOnly, VisionTokenizer

__all__ = [
    "ImageFolder",
    "ImageRow",
    "TextOnly",
    "VisionCollator",
    "VisionTokenizer",
    "image_base",
    "image_token_ids",
    "load_processor",
    "plain_tokens",
    "split",
    "to_trl",
]
