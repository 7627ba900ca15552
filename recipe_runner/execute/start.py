"""The model as it is before the first step, for trainers that compare with it.

TRL reads it a second time, from the name that the model was loaded by: without the revision
of the recipe (huggingface/trl loads `main`), without `config_overrides` and the rows of new
tokens. Here it gets a copy of the model at hand, which is exactly what the run starts from.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_READS = "create_model_from_path"


@contextmanager
def copies_of(model: Any, kind: type, load: Mapping[str, Any]) -> Iterator[None]:
    """Within it, a trainer of `kind` that reads `model` by its name gets a copy of it.

    `load` are the arguments that the model was loaded with. Where DeepSpeed has split the
    weights among processes, no process has them to copy, and they are read again with those.
    """
    from transformers.integrations import is_deepspeed_zero3_enabled

    name = model.config._name_or_path

    def read(model_id: str, *args: Any, **kwargs: Any) -> Any:
        if model_id != name:
            return upstream(model_id, *args, **kwargs)
        if is_deepspeed_zero3_enabled():
            pinned = {key: load[key] for key in ("revision", "subfolder", "token") if key in load}
            return upstream(model_id, *args, use_safetensors=True, **{**pinned, **kwargs})
        return copy.deepcopy(model)

    readers = [
        module
        for name_of_module in dict.fromkeys(each.__module__ for each in kind.__mro__)
        if hasattr(module := sys.modules[name_of_module], _READS)
    ]
    if not readers:
        yield
        return
    upstream = getattr(readers[0], _READS)
    try:
        for module in readers:
            setattr(module, _READS, read)
        yield
    finally:
        for module in readers:
            setattr(module, _READS, upstream)
