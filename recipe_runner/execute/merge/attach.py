"""Puts the adapter of a run on its base."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recipe_runner.execute.codes.merge import ANOTHER_BASE
from recipe_runner.execute.fault import fault

_PREFIX = "base_model.model."


def attach(model: Any, folder: Path, where: Path) -> Any:
    """`model` with the adapter in `folder`, as plain PEFT loads it, in evaluation mode.

    Reports RR733 for an adapter whose layers or sizes are not those of the model, or whose
    file lacks some of its weights.
    """
    from peft import PeftModel, get_peft_model_state_dict

    saved = _names(folder)
    own = _make_room(model, saved)
    try:
        # On a CPU, even where a GPU is there: the base is.
        adapted = PeftModel.from_pretrained(model, str(folder), torch_device="cpu")
    except (RuntimeError, ValueError, KeyError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise _unfit(where, f"PEFT does not load it on this base: {' '.join(lines[:2])}") from error
    wanted = get_peft_model_state_dict(adapted, save_embedding_layers=False)
    lacking = sorted(wanted.keys() - saved)
    if lacking:
        more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
        raise _unfit(where, f"its file lacks {', '.join(lacking[:3])}{more}")
    # PEFT drops what finds no place.
    layers = {name for name in saved if adapted.base_model.prefix in name}
    unused = sorted(layers - wanted.keys() - own)
    if unused:
        raise _unfit(where, f"the model has no place for {unused[0]}")
    return adapted.eval()


def _names(folder: Path) -> frozenset[str]:
    from safetensors import safe_open

    with safe_open(folder / "adapter_model.safetensors", framework="pt") as file:
        return frozenset(file.keys())


def _make_room(model: Any, saved: frozenset[str]) -> frozenset[str]:
    """Take the base's weights that the adapter's file replaces out of the base's files.

    PEFT writes into them: embeddings of a larger vocabulary, biases that were trained. Returns
    their names in the adapter's file.
    """
    import torch

    own = {name.removeprefix(_PREFIX).replace(".base_layer.", "."): name for name in saved}
    found = set()
    for name, weight in model.named_parameters(remove_duplicate=False):
        if name in own:
            weight.data = torch.clone(weight.data)
            found.add(own[name])
    return frozenset(found)


def _unfit(where: Path, why: str) -> Exception:
    return fault(
        ANOTHER_BASE,
        where,
        f"the adapter does not fit its base: {why}",
        "name the base that it was trained on with --base; where that is the one, the files "
        "of one of them are damaged",
    )
