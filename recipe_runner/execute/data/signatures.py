"""MinHash signatures: 512 bytes from which the likeness of two examples is estimated.

The words of an example, in lower case and in order, are cut into runs of five (shingles).
The share of equal numbers in two signatures estimates the Jaccard index of their shingles,
with a standard error of at most 1 / (2 * sqrt(SIZE)) = 4.4 points (0.035 at 0.8).

Not a library: only the signatures could come from one, since the comparison
(`near_duplicates.py`) has to be vectorised to stay small for a million rows. `datasketch`
needs scipy, and `rensa`, which is about as fast as this, would be a compiled dependency for
some thirty lines of numpy.

Source: Broder, "On the resemblance and containment of documents" (1997).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from recipe_runner.components.format import Example

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, Any]

SIZE = 128
"""Numbers of 32 bits in a signature."""

WIDTH = 5
"""Words in a shingle."""

# Scripts that put no spaces between words: each of their characters counts as a word.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")

_PLAIN = frozenset({"role", "type", "name", "tool_call_id", "image"})
"""Keys inside a message that hold no text of the conversation."""

_ASIDE = frozenset({"tools", "chat_template_kwargs", "label", "labels", "rejected"})
"""Keys of an example that are no text of its own; `_kind` looks at some of them."""


def signature_of(example: Example) -> bytes:
    """The signature of an example: `SIZE` numbers of 32 bits.

    Examples of different images or labels share no shingle, however alike their texts are:
    they teach different things. Nor does a text share one with the same text as `rejected`.
    """
    kind = _kind(example)
    texts = [value for key, value in example.items() if key not in _ASIDE]
    # Texts without a word, such as a row of emoji, are alike only where they are equal.
    words = list(_words(texts)) or [repr(texts).encode("utf-8", "surrogatepass")]
    shingles = _shingles(words, kind)
    if "rejected" in example:
        import numpy as np

        rejected = _shingles(list(_words(example["rejected"])), zlib.crc32(b"rejected", kind))
        shingles = np.concatenate([shingles, rejected])
    return _lowest(shingles).tobytes()


def _words(value: Any) -> Iterator[bytes]:
    """The words of all texts in a value; token ids are words."""
    if isinstance(value, str):
        yield from (word.encode("utf-8", "surrogatepass") for word in _WORD.findall(value.lower()))
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in _PLAIN:
                yield from _words(inner)
    elif isinstance(value, Sequence) and not isinstance(value, bytes):
        for inner in value:
            yield from _words(inner)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield str(value).encode()


def _kind(example: Example) -> int:
    """What has to be equal for two examples to be alike at all: labels and images."""
    labels = [example.get("label"), None if "input_ids" in example else example.get("labels")]
    seen = repr((labels, list(_images(example))))
    return zlib.crc32(seen.encode("utf-8", "surrogatepass"))


def _images(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key == "image":
                yield inner
            else:
                yield from _images(inner)
    elif isinstance(value, list | tuple) and value and not isinstance(value[0], int | str):
        for inner in value:
            yield from _images(inner)


def _shingles(words: list[bytes], kind: int) -> Numbers:
    """A number of 64 bits for each run of `WIDTH` words; for fewer words, one for all of them."""
    import numpy as np

    factors, _, _ = _constants()
    hashes = np.fromiter(map(zlib.crc32, words), np.uint64, len(words))
    count = max(1, len(words) - WIDTH + 1)
    mixed: Numbers = np.full(count, kind, np.uint64) * factors[WIDTH]
    for at in range(min(WIDTH, len(words))):
        mixed += hashes[at : at + count] * factors[at]
    mixed ^= mixed >> np.uint64(32)
    mixed *= np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    return mixed


def _lowest(shingles: Numbers) -> Numbers:
    """The lowest of all shingles under each of `SIZE` random orders."""
    import numpy as np

    _, scale, shift = _constants()
    lowest: Numbers = np.full(SIZE, 0xFFFFFFFF, np.uint32)
    # In pieces that stay in the processor's cache, so that a book needs no more than a line.
    for begin in range(0, len(shingles), 1024):
        part = shingles[begin : begin + 1024]
        orders = (scale[:, None] * part + shift[:, None]) >> np.uint64(32)
        np.minimum(lowest, orders.min(axis=1).astype(np.uint32), out=lowest)
    return lowest


@cache
def _constants() -> tuple[Numbers, Numbers, Numbers]:
    """Factors of the words in a shingle, and the multipliers and shifts of the orders; fixed."""
    import numpy as np

    draw = np.random.default_rng(5)
    factors, scale, shift = (
        draw.integers(0, 1 << 64, size, dtype=np.uint64) for size in (WIDTH + 1, SIZE, SIZE)
    )
    return factors | np.uint64(1), scale | np.uint64(1), shift
