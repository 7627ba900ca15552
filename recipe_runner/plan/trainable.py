"""Which parameters of a model train, decided by their names alone.

The command line counts with it, and a run freezes with it, so that both mean the same.
Knows nothing of any one model: layers are what carries a number, and the other parts have
the names that decoders give them. Imports the standard library only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

_VISION = re.compile(
    r"(^|\.)(visual|vision\w*|image_\w+|multi_modal_\w+|multimodal_\w+|mm_\w+|connector|aligner)\."
)
_EMBEDDINGS = re.compile(
    r"(^|\.)(embed_tokens\w*|embed_in|wte|wpe|word_embeddings|tok_embeddings)\."
)
_HEAD = re.compile(r"(^|\.)(lm_head|embed_out|score|classifier|output)\.(weight|bias)$")
_NORMS = re.compile(r"(^|\.)(\w*norm\w*|ln(_\w+)?)\.(weight|bias)$")
_LAYER = re.compile(r"(.*?)\.(\d+)\.")


@dataclass(frozen=True)
class TrainableParts:
    """Parts of a model that train: `last_layers` counts decoder layers from the end, 0 for none.

    `norms` are those of the whole text part, `vision` is all that sees. Where the head is tied
    to the embeddings it is the same parameter, and either trains both.
    """

    last_layers: int = 0
    embeddings: bool = False
    norms: bool = False
    head: bool = False
    vision: bool = False


def trains(
    names: Iterable[str],
    *,
    parts: TrainableParts | None = None,
    patterns: Sequence[str] = (),
    freeze: Sequence[str] = (),
) -> frozenset[str]:
    """The names of the parameters that train: what a part or a pattern finds, without what is frozen.

    All of `names` where there are neither parts nor patterns. The patterns are regular
    expressions that can be read, and find a name anywhere in it.
    """
    names = tuple(names)
    chosen = set(names)
    if parts is not None or patterns:
        chosen = {name for found in found_by(names, parts).values() for name in found}
        chosen |= {name for name in names if _finds(patterns, name)}
    return frozenset(name for name in chosen if not _finds(freeze, name))


def found_by(names: Iterable[str], parts: TrainableParts | None) -> Mapping[str, frozenset[str]]:
    """What each part that is asked for finds among `names`, by the field that asks for it."""
    if parts is None:
        return {}
    names = tuple(names)
    seeing = frozenset(name for name in names if _VISION.search(name))
    text = [name for name in names if name not in seeing]
    embeddings = frozenset(name for name in text if _EMBEDDINGS.search(name))
    head = frozenset(name for name in text if _HEAD.search(name))
    asked: dict[str, frozenset[str]] = {}
    if parts.last_layers:
        asked["last_layers"] = frozenset(_last(text, parts.last_layers))
    if parts.embeddings:
        asked["embeddings"] = embeddings
    if parts.norms:
        asked["norms"] = frozenset(name for name in text if _NORMS.search(name))
    if parts.head:
        # Of two tied parameters a model lists the first.
        asked["head"] = head or embeddings
    if parts.vision:
        asked["vision"] = seeing
    return asked


def layers_in(names: Iterable[str]) -> int:
    """How many decoder layers the names tell of."""
    return max(_numbers([n for n in names if not _VISION.search(n)]).values(), default=-1) + 1


def _last(names: Sequence[str], count: int) -> Iterator[str]:
    numbers = _numbers(names)
    # More layers than there are is a slip that the caller tells.
    first = layers_in(names) - count
    yield from (name for name, number in numbers.items() if 0 <= first <= number)


def _numbers(names: Sequence[str]) -> dict[str, int]:
    """The number of the layer of each parameter that is in one of the longest stack of layers."""
    matches = {name: found for name in names if (found := _LAYER.match(name))}
    stacks = Counter(stack for stack, _ in {(m[1], m[2]) for m in matches.values()})
    if not stacks:
        return {}
    decoder = stacks.most_common(1)[0][0]
    return {name: int(m[2]) for name, m in matches.items() if m[1] == decoder}


def _finds(patterns: Collection[str], name: str) -> bool:
    try:
        return any(re.search(pattern, name) for pattern in patterns)
    except re.error:
        return False  # RR320 tells of it
