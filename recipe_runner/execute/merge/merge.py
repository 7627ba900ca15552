"""Merges the adapter of a run into its base, compares, and only then keeps the result."""

from __future__ import annotations

import gc
import json
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from recipe_runner.execute import atomic, environment
from recipe_runner.execute.build import class_of
from recipe_runner.execute.codes.during import DISK_FULL
from recipe_runner.execute.codes.merge import MERGE_EXISTS
from recipe_runner.execute.exports.folder import appearing
from recipe_runner.execute.failure import explained
from recipe_runner.execute.fault import fault
from recipe_runner.execute.finished import FinishedRun
from recipe_runner.execute.merge.attach import attach
from recipe_runner.execute.merge.base import load_base, moved
from recipe_runner.execute.merge.beside import copy_beside, write_card, write_config
from recipe_runner.execute.merge.compare import Compared, Expected, demand_equal, expected, logits
from recipe_runner.execute.merge.mapped import Mapped
from recipe_runner.execute.merge.possible import demand_consent, demand_mergeable
from recipe_runner.execute.merge.prompts import Prompts, sample_prompts
from recipe_runner.execute.merge.telling import Meter, Told, gib
from recipe_runner.execute.merge.write import Merging, Weights, weights_of, write_weights
from recipe_runner.execute.record import timestamp
from recipe_runner.plan import Plan, digest

RECEIPT = "merge.json"
"""What was merged, from which plan, and how it was compared; it makes a folder ours."""

MEMORY = "merge on a machine with more memory"
"""What to do where memory runs out: weights are in it one by one already."""

_SCHEMA = "recipe-run-merge/1"
_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


@dataclass(frozen=True)
class Wish:
    """What may be asked of a merge.

    `base` is the folder of a base that has moved, `dtype` the type of the result, None for
    that in which the run loaded its base. `dequantize` allows a checkpoint that is quantized,
    `allow_code` the Python code that comes with the model.
    """

    base: Path | None = None
    dtype: str | None = None
    dequantize: bool = False
    verify: bool = True
    allow_code: bool = False


@dataclass(frozen=True)
class Merged:
    """What a merge left behind: `files` with their bytes; `compared` is None where it was not."""

    folder: Path
    files: Mapping[str, int]
    dtype: str
    compared: Compared | None
    seconds: float


def folder_of(finished: FinishedRun) -> Path:
    """Where a merged model goes unless told otherwise."""
    return finished.run.path / "merged"


def merge(
    finished: FinishedRun,
    wish: Wish,
    *,
    out: Path | None = None,
    overwrite: bool = False,
    told: Told,
    meter: Meter,
) -> Merged:
    """Merge the adapter of a run into a folder of its own, which appears when all is well.

    Reports RR735 for a folder in the way and what `merge_into` reports. Nothing is kept of a
    merge that failed or was interrupted.
    """
    started = time.monotonic()
    run, plan = finished.run, finished.plan
    demand_mergeable(finished, moved=wish.base is not None)
    demand_consent(finished, allowed=wish.allow_code)
    folder = out.absolute() if out is not None else folder_of(finished)
    _refuse_existing(folder, overwrite=overwrite)
    environment.apply(plan)
    log = run.path / "merge.log"
    with (
        explained(plan, run.path, log, memory=MEMORY),
        environment.chatter_into(log),
        appearing(folder) as partial,
    ):
        made = merge_into(finished, partial, wish, told=told, meter=meter)
    return Merged(folder, made.files, made.dtype, made.compared, time.monotonic() - started)


def merge_into(
    finished: FinishedRun, folder: Path, wish: Wish, *, told: Told, meter: Meter
) -> Merged:
    """Merge the adapter of a run into `folder`, which is empty.

    Reports RR731 for a result that is not what was trained, RR732 for an adapter that cannot
    be merged, RR733 for one of another base, RR734 for a base that is quantized, RR736 for a
    run without an adapter, RR631 for code that is not allowed, RR705 for a disk without room,
    and what `load_model` reports.
    """
    started = time.monotonic()
    demand_mergeable(finished, moved=wish.base is not None)
    demand_consent(finished, allowed=wish.allow_code)
    run, plan = finished.run, moved(finished.plan, wish.base)
    tokenizer = _tokenizer(finished)
    scratch = folder / ".base"
    base = load_base(
        plan, tokenizer, scratch, dequantize=wish.dequantize, told=told, where=run.path
    )
    dtype = _dtype(wish.dtype, base.dtype)
    word = str(dtype).removeprefix("torch.")
    weights = weights_of(base.model)
    _demand_room(folder, weights, dtype)
    model = attach(base.model, run.model, run.path)
    mapped = base.mapped if base.mapped.untouched() else Mapped(())
    prompts = sample_prompts(run, plan, tokenizer)
    wanted = None
    if wish.verify:
        told("answering sample prompts with base and adapter")
        wanted = expected(model, mapped, prompts)
    told(f"merging into {word}")
    inner = model.get_base_model()
    merging = Merging(inner, mapped, base.dtype, dtype, run.path)
    loose = write_weights(merging, weights, folder, _shard(plan), told, meter)
    if loose:
        told(
            f"{', '.join(loose)} is no longer the same as {', '.join(loose.values())}: both are saved"
        )
    copy_beside(run, folder)
    write_config(inner, run, folder, dtype, loose)
    del model, inner, merging, base
    gc.collect()
    shutil.rmtree(scratch, ignore_errors=True)
    compared = None
    if wanted is not None:
        told("answering them with what was written")
        compared = _compare(plan, folder, prompts, wanted, word, run.path)
    write_card(run, plan, folder, checked(compared, word))
    files = _listing(folder)
    atomic.write_json(
        folder / RECEIPT,
        {
            "schema": _SCHEMA,
            "plan": digest(finished.plan),
            "base": plan.model.name_or_path,
            "dtype": word,
            "made": timestamp(),
            "compared": None if compared is None else asdict(compared),
            "files": files,
        },
    )
    return Merged(folder, files, word, compared, time.monotonic() - started)


def checked(compared: Compared | None, dtype: str) -> str:
    """A sentence on how the result was compared."""
    if compared is None:
        return "its answers were not compared with those of base and adapter"
    return (
        f"the logits of {compared.prompts} prompts ({compared.tokens} tokens) are those of base "
        f"and adapter to {compared.error:.2g} of their spread ({dtype} explains "
        f"{compared.tolerance:g}; the adapter changes them by {compared.effect:.2g}); the largest "
        f"difference is {compared.largest:.2g}"
    )


def _compare(
    plan: Plan, folder: Path, prompts: Prompts, wanted: Expected, dtype: str, where: Path
) -> Compared:
    """Load what was written as anybody would, and compare."""
    load: dict[str, Any] = {"dtype": "auto", "use_safetensors": True}
    if plan.model.load.get("trust_remote_code"):
        load["trust_remote_code"] = True
    model = class_of(plan.model.auto_class).from_pretrained(str(folder), **load).eval()
    found = logits(model, Mapped.of(model), prompts)
    return demand_equal(found, wanted, prompts, dtype, where)


def _tokenizer(finished: FinishedRun) -> Any:
    load = finished.plan.tokenizer.load
    trust = {"trust_remote_code": True} if load.get("trust_remote_code") else {}
    return class_of("transformers:AutoTokenizer").from_pretrained(str(finished.run.model), **trust)


def _dtype(wished: str | None, trained: Any) -> Any:
    import torch

    return trained if wished is None else getattr(torch, wished)


def _shard(plan: Plan) -> int:
    """Bytes of the plan's `max_shard_size`, such as 5GB, as transformers reads it."""
    found = re.fullmatch(r"(\d+)\s*([KMGT]B)", plan.outputs.max_shard_size.upper())
    assert found is not None, "the recipe's schema demands this form"
    return int(found[1]) * _UNITS[found[2]]


def _demand_room(folder: Path, weights: Weights, dtype: Any) -> None:
    needed = sum(entry.count // entry.dtype.itemsize * dtype.itemsize for entry in weights.entries)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise fault(
            DISK_FULL,
            folder.parent,
            f"the merged model takes {gib(needed)}, and {gib(free)} are left on the disk of "
            f"{folder.parent}",
            "free space, or name a folder on another disk with --out",
        )


def _refuse_existing(folder: Path, *, overwrite: bool) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    made = _made(folder)
    if made is None:
        raise fault(
            MERGE_EXISTS,
            folder,
            f"{folder} is there, and it is no merged model of ours",
            "name another folder with --out",
        )
    if not overwrite:
        raise fault(
            MERGE_EXISTS,
            folder,
            f"{folder} holds a merged model of {made}",
            "add --overwrite to replace it, or name another folder with --out",
        )


def _made(folder: Path) -> str | None:
    """When the merged model in `folder` was made, None where there is none of ours."""
    try:
        value = json.loads((folder / RECEIPT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    ours = isinstance(value, dict) and value.get("schema") == _SCHEMA
    return str(value["made"]) if ours else None


def _listing(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
