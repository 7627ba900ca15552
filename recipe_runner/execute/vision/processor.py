"""Loads the processor: what makes tokens and pixels of a conversation with images."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from recipe_runner.execute.build import class_of
from recipe_runner.execute.fault import fault
from recipe_runner.execute.vision.align import ImageTokens
from recipe_runner.execute.vision.codes import PACKAGE_FOR_IMAGES_MISSING, PROCESSOR_UNUSABLE
from recipe_runner.plan import Plan


def load_processor(plan: Plan, tokenizer: Any) -> Any:
    """The processor of the plan's model, with `tokenizer` in place of its own.

    The chat template is the plan's, or the processor's own, or the tokenizer's; both have
    it in the end. Reports RR465 where there is no processor that places images by a token,
    RR466 where it needs a package that is not installed.
    """
    name = plan.tokenizer.name_or_path
    try:
        processor = class_of("transformers:AutoProcessor").from_pretrained(
            name, **plan.tokenizer.load
        )
    except ImportError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise fault(
            PACKAGE_FOR_IMAGES_MISSING,
            plan.recipe_path,
            f"the processor of {name} cannot be loaded: {lines[0] if lines else error}",
            "install the package that it names, such as `pip install torchvision`, in the "
            "build that belongs to the installed torch",
        ) from error
    except (OSError, ValueError) as error:
        words = str(error).strip().splitlines() or [type(error).__name__]
        raise _unusable(plan, f"{name} has no processor: {words[0]}") from error
    if getattr(processor, "image_processor", None) is None:
        raise _unusable(
            plan, f"{name} has no processor for images, only a {type(processor).__name__}"
        )
    _demand_place(plan, processor, tokenizer)
    template = plan.tokenizer.chat_template or processor.chat_template or tokenizer.chat_template
    processor.tokenizer = tokenizer
    processor.chat_template = tokenizer.chat_template = template
    return processor


def image_token_ids(processor: Any) -> frozenset[int]:
    """The ids that stand for images in the tokens of a row: a view may show runs of them as one."""
    tokenizer = processor.tokenizer
    ids = {
        *processor.image_token_ids,
        getattr(processor, "image_token_id", None),
        getattr(tokenizer, "image_token_id", None),
        tokenizer.convert_tokens_to_ids(processor.image_token),
    }
    return frozenset(number for number in ids if number is not None)


@lru_cache(maxsize=4)
def image_tokens(processor: Any) -> ImageTokens:
    """What images look like in the tokens of this processor; its whole vocabulary is looked at once."""
    tokenizer = processor.tokenizer
    vocabulary = tokenizer.get_vocab()
    special = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    numbers = sorted(vocabulary.values())
    texts = tokenizer.batch_decode([[number] for number in numbers])
    blank = frozenset(n for n, text in zip(numbers, texts, strict=True) if not text.strip())
    fill = image_token_ids(processor)
    return ImageTokens(
        placeholder=tokenizer.convert_tokens_to_ids(processor.image_token),
        fill=fill,
        marks=fill | blank | frozenset(special),
        blank=blank - frozenset(special),
    )


def _demand_place(plan: Plan, processor: Any, tokenizer: Any) -> None:
    token = getattr(processor, "image_token", None)
    if token is not None and token in tokenizer.get_vocab():
        return
    kind = type(processor).__name__
    what = "no token" if token is None else f"{token!r}, which is no token of the tokenizer,"
    raise _unusable(plan, f"{kind} has {what} to put images in the place of")


def _unusable(plan: Plan, message: str) -> Exception:
    return fault(
        PROCESSOR_UNUSABLE,
        plan.recipe_path,
        message,
        "name a model that sees and comes with its processor, or `model.task: causal_lm`",
    )
