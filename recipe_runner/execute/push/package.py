"""What an upload consists of: files, card and recipe, put together without a network."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recipe_runner.execute.card import (
    Subject,
    card,
    facts_of,
    hub_base,
    result_of,
)
from recipe_runner.execute.codes.push import NOTHING_TO_PUSH
from recipe_runner.execute.exports.export import folder_of
from recipe_runner.execute.exports.folder import RECEIPT, read_receipt
from recipe_runner.execute.exports.source import is_of, whole_model
from recipe_runner.execute.exports.target import Meter, Target, Told
from recipe_runner.execute.fault import fault
from recipe_runner.execute.finished import FinishedRun
from recipe_runner.execute.push.files import File, demand_no_local_paths, files_of, with_base
from recipe_runner.plan import ModelPlan, to_json


@dataclass(frozen=True)
class Wanted:
    """What to upload to `repository`: the run's own model, `merged` into one, or an `export`.

    `base` and `license` are the hub's names for the base and its license where the run
    cannot know them.
    """

    repository: str
    merged: bool = False
    export: Target | None = None
    base: str | None = None
    license: str | None = None


@dataclass(frozen=True)
class Package:
    """The files of an upload in the order of their names, and those that stay here."""

    files: tuple[File, ...]
    left: tuple[str, ...]
    card: str


@contextlib.contextmanager
def packaged(
    finished: FinishedRun, wanted: Wanted, *, license: str | None, told: Told, meter: Meter
) -> Iterator[Package]:
    """The package, whose files are there as long as the block lasts.

    `license` is the base's as the hub states it, None where it was not asked. Reports
    RR643 to RR645, and what merging reports.
    """
    plan = finished.plan
    facts = facts_of(finished.run, plan)
    facts = replace(facts, license=wanted.license or facts.license or license)
    base = wanted.base or hub_base(plan)
    with _folder(finished, wanted, told, meter) as folder:
        taken, left = files_of(folder)
        taken = with_base(taken, base, finished.run.path)
        text = card(plan, facts, _subject(finished, wanted, base, taken))
        files = [
            *taken,
            # Before the card, which has it in it: a path is to be taken out of this one.
            File("recipe.yaml", facts.recipe.encode()),
            File("README.md", text.encode()),
        ]
        demand_no_local_paths(files, _places(finished, folder))
        ordered = sorted(files, key=lambda file: file.path)
        yield Package(tuple(ordered), tuple(left), text)


@contextlib.contextmanager
def _folder(finished: FinishedRun, wanted: Wanted, told: Told, meter: Meter) -> Iterator[Path]:
    if wanted.export is not None:
        yield _exported(finished, wanted.export)
        return
    if not wanted.merged:
        yield finished.run.model
        return
    if not finished.is_adapter:
        raise fault(
            NOTHING_TO_PUSH,
            finished.run.path,
            "there is no adapter to merge: the run trained the whole model",
            "leave --merged out",
        )
    with whole_model(finished, told, meter) as folder:
        yield folder


def _exported(finished: FinishedRun, target: Target) -> Path:
    """The folder of an export. Reports RR643 where none is there, or one of another model."""
    folder = folder_of(finished, target)
    made, words = read_receipt(folder), f"recipe-run export RUN --to {target.name}"
    if made is None:
        raise fault(
            NOTHING_TO_PUSH,
            finished.run.path,
            f"the run has no export to {target.name}",
            f"make it first: {words}",
        )
    if not is_of(folder / RECEIPT, made, finished):
        raise fault(
            NOTHING_TO_PUSH,
            finished.run.path,
            f"the export to {target.name}, of {made['made']}, is not of the model that the run "
            "has made since",
            f"make it again: {words} --overwrite",
        )
    return folder


def _subject(finished: FinishedRun, wanted: Wanted, base: str | None, files: list[File]) -> Subject:
    own = result_of(finished.plan)
    merged = "an adapter merged into" if finished.is_adapter else own.what
    if wanted.export is not None:
        target = wanted.export
        kind = (read_receipt(folder_of(finished, target)) or {}).get("type") or ""
        named = f"{target.name} ({kind})" if kind not in ("", "auto") else target.name
        return Subject(
            relation="quantized",
            what=f"the {named} form of {merged}",
            library=target.library,
            base=base,
            use=_command(wanted.repository, files)
            if target.library is None
            else _use(wanted, finished.plan.model),
            tags=(target.name,),
        )
    if wanted.merged:
        return Subject("finetune", merged, "transformers", base, _use(wanted, finished.plan.model))
    use = own.use or _use(wanted, finished.plan.model, adapter=finished.is_adapter)
    return replace(own, base=base, use=use)


def _use(wanted: Wanted, model: ModelPlan, *, adapter: bool = False) -> str:
    """Python that loads model and tokenizer, or processor, by the classes that the run loaded."""
    name, loader = wanted.repository, model.auto_class.partition(":")[2]
    tokens = "AutoProcessor" if model.sees else "AutoTokenizer"
    options = ""
    # PEFT has no class for models that see; transformers loads their adapters itself.
    if adapter and not model.sees:
        loader = loader.replace("AutoModel", "AutoPeftModel")
        imports = f"from peft import {loader}\nfrom transformers import {tokens}"
        # The base's own configuration knows nothing of the head that was trained.
        labels = model.load.get("num_labels")
        options = "" if labels is None else f", num_labels={labels}"
    else:
        imports = f"from transformers import {loader}, {tokens}"
    return (
        f"```python\n{imports}\n\n"
        f'model = {loader}.from_pretrained("{name}"{options})\n'
        f'{"processor" if model.sees else "tokenizer"} = {tokens}.from_pretrained("{name}")\n```'
    )


def _command(name: str, files: list[File]) -> str:
    (file,) = (file.path for file in files if file.path.endswith(".gguf"))
    return f"```sh\nllama-cli --hf-repo {name} --hf-file {file}\n```"


def _places(finished: FinishedRun, folder: Path) -> list[Path]:
    """Folders and files of this machine that no file may name: those of the plan among them."""
    models = [finished.plan.model, *(other.model for other in finished.plan.models)]
    return [
        *(finished.run.path, folder, Path.cwd(), Path.home()),
        *(Path(model.name_or_path) for model in models if model.local),
        *(Path(text) for text in _texts(to_json(finished.plan)) if _is_path(text)),
    ]


def _texts(value: Any) -> Iterator[str]:
    """All texts of a value of JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)


def _is_path(text: str) -> bool:
    return text.startswith("/") and "\n" not in text
