"""Images of rows: where their bytes are, and how they become pictures.

A row names an image by a path, or brings its bytes. Prepared rows keep a reference: the
absolute path, or `kept:` and the name of a file beside the prepared tokens.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from recipe_runner.plan import SourcePlan
from recipe_runner.rows import RowProblem

if TYPE_CHECKING:
    from PIL.Image import Image

KEPT = "kept:"
"""Begins the reference of an image whose bytes lie beside the prepared rows."""

FOLDER = "images"
"""The folder of those files, inside an entry of prepared data."""


@dataclass(frozen=True)
class ImageFolder:
    """Finds the images of one source.

    Relative paths are seen from `base`, None where the source has no folder. `kept` is the
    folder that bytes are written to.
    """

    base: Path | None
    kept: Path

    def reference(self, image: object) -> str:
        """How prepared rows name `image`: a path, bytes, a data URL, or a mapping of `bytes` and `path`.

        Bytes are written to the folder, once for equal bytes. Raises `RowProblem`:
        "image-missing", "image-broken".
        """
        source = _source(image)
        if isinstance(source, bytes):
            name = hashlib.sha256(source).hexdigest()
            _keep(source, self.kept / name)
            return f"{KEPT}{name}"
        if Path(source).is_absolute():
            return source
        if self.base is None:
            raise RowProblem(
                "image-missing",
                f"names the image {source}, and a data set that is no local file has no folder "
                "to look in",
            )
        return str(self.base / source)

    def open(self, reference: str) -> Image:
        """The picture behind a reference. Raises `RowProblem`: "image-missing", "image-broken"."""
        return open_image(reference, self.kept)


def image_base(source: SourcePlan) -> Path | None:
    """The folder that the paths of a source's images are seen from: that of its files.

    Of files in several folders it is the folder that holds them all; None where the files
    are elsewhere than on this machine.
    """
    local = [file for file in source.files if "://" not in file]
    return Path(os.path.commonpath([Path(file).parent for file in local])) if local else None


def open_image(reference: str, kept: Path) -> Image:
    """The picture behind a reference; `kept` is the folder of images that came as bytes."""
    if reference.startswith(KEPT):
        return _decode(kept / reference.removeprefix(KEPT), "the bytes of an image")
    return _decode(Path(reference), f"the image {reference}")


def decoded(image: object, base: Path | None) -> Image:
    """The picture that a row names or brings, without keeping anything."""
    source = _source(image)
    if isinstance(source, bytes):
        return _decode(BytesIO(source), "the bytes of an image")
    return open_image(ImageFolder(base, Path()).reference(source), Path())


def _decode(file: Path | BytesIO, name: str) -> Image:
    """Decode an image as transformers does: upright, in RGB."""
    from PIL import Image, ImageOps

    # Opening a pipe would wait for whoever writes into it.
    if isinstance(file, Path) and file.exists() and not (file.is_file() or file.is_dir()):
        raise RowProblem("image-missing", f"names {name}, which is no file")
    try:
        with Image.open(file) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise RowProblem("image-missing", f"names {name}, and there is no such file") from error
    except PermissionError as error:
        raise RowProblem("image-missing", f"names {name}, which must not be read") from error
    # What Pillow raises on damaged files depends on their format.
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        words = str(error).replace(str(file), "it") or type(error).__name__
        raise RowProblem("image-broken", f"has {name}, which cannot be decoded: {words}") from error


def _source(image: object) -> str | bytes:
    """The path or the bytes of an image, whichever way a row writes it."""
    if isinstance(image, Mapping):
        # How Parquet files of the hub hold images: the bytes win, as in `datasets`.
        found: Any = image.get("bytes")
        image = found if found is not None else image.get("path")
    if isinstance(image, bytes | bytearray | memoryview):
        return bytes(image)
    if not isinstance(image, str) or not image:
        kind = "nothing" if not image else f"a {type(image).__name__}"
        raise RowProblem("image-missing", f"has {kind} where the path or bytes of an image stand")
    if image.startswith("data:"):
        return _data_url(image)
    if image.startswith("file://"):
        return unquote(image.removeprefix("file://"))
    if "://" in image:
        raise RowProblem(
            "image-missing",
            f"names the image {image}, and images are read from files: fetch it first",
        )
    return image


def _data_url(url: str) -> bytes:
    head, _, body = url.partition(",")
    try:
        if not head.endswith(";base64"):
            raise ValueError("it is not in base64")
        return base64.b64decode(body, validate=True)
    except (ValueError, binascii.Error) as error:
        raise RowProblem(
            "image-broken", f"has a data URL where an image stands, and it is broken: {error}"
        ) from error


def _keep(data: bytes, path: Path) -> None:
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # Several processes may keep the same bytes at once.
    own = path.with_name(f"{path.name}.{os.getpid()}")
    own.write_bytes(data)
    own.replace(path)
