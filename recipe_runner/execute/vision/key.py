"""What of a model that sees takes part in the key of prepared data."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from recipe_runner.execute.vision.images import image_base
from recipe_runner.plan import Plan

_FILES = (
    "processor_config.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "chat_template.json",
)


def image_parts(plan: Plan) -> dict[str, Any]:
    """The processor, by its files or its place on the hub, and the folders of the images.

    Prepared rows name images by their absolute paths, so the same rows beside other images
    are other data.
    """
    if not plan.model.sees:
        return {}
    name = plan.tokenizer.name_or_path
    found = [path for path in (Path(name) / file for file in _FILES) if path.is_file()]
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found}
    sources = (*plan.data.train, *plan.data.eval)
    return {
        "processor": files or [name, plan.tokenizer.load.get("revision")],
        "images": [str(image_base(source)) for source in sources],
    }
