"""Writes the model card: what was trained, from what, how well it does, and how to do it again.

One card for the folder that a run leaves and for what is uploaded. It names nothing of the
machine that the run was on but its hardware: no path, no host, no user.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from recipe_runner.components.base import discover
from recipe_runner.components.source import Source
from recipe_runner.execute import atomic
from recipe_runner.execute.outcome import Outcome, Scored
from recipe_runner.execute.record import RunDirectory
from recipe_runner.execute.versions import package_versions
from recipe_runner.plan import Plan, SourcePlan, digest

_SHOWN = ("loss", "eval_loss", "eval_mean_token_accuracy", "num_tokens", "tokens_per_second")
_LICENSE = re.compile(r"^license:[ \t]*([\w.+-]+)[ \t]*$", re.MULTILINE)
_FRONT = re.compile(r"\A---\n(.*?)^---$", re.MULTILINE | re.DOTALL)
_SOURCES = "recipe_runner.components.sources"

Relation = Literal["adapter", "finetune", "quantized"]
"""What a repository is to its base, in the hub's words."""


@dataclass(frozen=True)
class Facts:
    """What a card tells beyond the plan.

    `receipt` is the content of `data.json`: what became of the rows; `versions` are those
    of the packages that trained. `license` is the base's, as the hub abbreviates it.
    """

    recipe: str
    metrics: Mapping[str, float]
    scored: Scored | None = None
    receipt: Mapping[str, Any] | None = None
    versions: Mapping[str, str] = field(default_factory=package_versions)
    license: str | None = None


@dataclass(frozen=True)
class Subject:
    """What a card stands beside: `what` begins the sentence about it, `library` loads it.

    `base` is the hub's id of the base, None where the hub has none. `use` is a text in
    Markdown that says how to load it.
    """

    relation: Relation
    what: str
    library: str | None
    base: str | None = None
    use: str = ""
    tags: tuple[str, ...] = ()


def write_card(
    run: RunDirectory, plan: Plan, metrics: Mapping[str, float], scored: Scored | None
) -> None:
    """Write `README.md` into the run's model folder, with the front matter that the hub reads."""
    facts = Facts(
        recipe=run.recipe_file.read_text(encoding="utf-8"),
        metrics=metrics,
        scored=scored,
        receipt=_json(run.data_file),
        license=license_of(plan),
    )
    atomic.write_text(run.model / "README.md", card(plan, facts, result_of(plan)))


def facts_of(run: RunDirectory, plan: Plan) -> Facts:
    """What a run that has ended tells of itself."""
    told = (run.read_status() or {}).get("outcome")
    outcome = None if told is None else Outcome.from_json(told)
    return Facts(
        recipe=run.recipe_file.read_text(encoding="utf-8"),
        metrics={} if outcome is None else outcome.metrics,
        scored=None if outcome is None else outcome.scored,
        receipt=_json(run.data_file),
        versions=(_json(run.path / "environment.json") or {}).get("packages") or {},
        license=license_of(plan),
    )


def result_of(plan: Plan) -> Subject:
    """The model folder of a run: an adapter, or a model that was trained as a whole."""
    base = hub_base(plan)
    if plan.adapter is not None:
        return Subject("adapter", "an adapter for", "peft", base, _on_merged(plan))
    return Subject("finetune", "a full fine-tune of", "transformers", base)


def _on_merged(plan: Plan) -> str:
    """How to load an adapter whose base has another one in it; nothing for the usual kind."""
    first = plan.model.adapter
    if first is None or not first.merge:
        return ""
    name = plan.model.name_or_path if hub_base(plan) else "BASE"
    kind = plan.model.auto_class.rpartition(":")[2]
    return (
        f"It belongs on the base with the adapter `{_folder(first.path)}` merged into it, and on "
        "the base alone it gives other answers.\n\n```python\n"
        f"from peft import PeftModel\nfrom transformers import {kind}\n\n"
        f'base = {kind}.from_pretrained("{name}")\n'
        f'base = PeftModel.from_pretrained(base, "{_folder(first.path)}").merge_and_unload()\n'
        'model = PeftModel.from_pretrained(base, "this folder")\n```\n\n'
        "`recipe-run merge` makes one model of all three."
    )


def hub_base(plan: Plan) -> str | None:
    """The hub's id of the base, None for a local folder and for random weights."""
    model = plan.model
    return None if model.local or model.random_init else model.name_or_path


def license_of(plan: Plan) -> str | None:
    """The license that the base's own card states, as far as it is on this machine."""
    if plan.model.random_init:
        return None
    if plan.model.local:
        return license_in(Path(plan.model.name_or_path) / "README.md")
    from huggingface_hub import try_to_load_from_cache

    revision = plan.model.load.get("revision")
    found = try_to_load_from_cache(plan.model.name_or_path, "README.md", revision=revision)
    return license_in(Path(found)) if isinstance(found, str) else None


def license_in(readme: Path) -> str | None:
    """The `license` in the front matter of a card."""
    try:
        front = _FRONT.match(readme.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return None
    stated = _LICENSE.search(front[1]) if front else None
    return stated[1] if stated else None


def card(plan: Plan, facts: Facts, subject: Subject) -> str:
    """The card's text."""
    parts = [_front_matter(plan, facts, subject), f"# {plan.name}"]
    if plan.description:
        parts.append(plan.description)
    parts.append(
        f"This is {subject.what} {_base(plan, subject)}, trained with `{plan.algorithm}`, "
        f"{plan.steps.global_batch_size} sequences per optimizer step."
    )
    if subject.use:
        parts.append(f"## Use\n\n{subject.use}")
    parts.append("## Result\n\n" + _result(facts))
    parts.append("## Data\n\n" + _data(plan, facts))
    fence = "`" * max(3, _longest_run(facts.recipe) + 1)
    parts.append(f"## Recipe\n\n{fence}yaml\n{facts.recipe.rstrip()}\n{fence}")
    parts.append(f"Plan `{digest(plan)}`, seed {plan.seed}, on {_hardware(plan)}.")
    rows = "\n".join(f"| {name} | {version} |" for name, version in facts.versions.items())
    parts.append(f"## Versions\n\n| package | version |\n|---|---|\n{rows}")
    return "\n\n".join(parts) + "\n"


def _front_matter(plan: Plan, facts: Facts, subject: Subject) -> str:
    lines = ["---"]
    if subject.library is not None:
        lines.append(f"library_name: {subject.library}")
    if facts.license is not None:
        lines.append(f"license: {json.dumps(facts.license)}")
    if subject.base is not None:
        lines.append(f"base_model: {json.dumps(subject.base)}")
        lines.append(f"base_model_relation: {subject.relation}")
    if plan.model.auto_class.endswith("ForCausalLM"):
        lines.append("pipeline_tag: text-generation")
    used = dict.fromkeys(
        source.path for source in (*plan.data.train, *plan.data.eval) if _of_hub(source)
    )
    if used:
        lines += ["datasets:", *(f"- {json.dumps(name)}" for name in used)]
    tags = ["trl", plan.algorithm, "recipe-runner", *subject.tags, *plan.tags]
    lines += ["tags:", *(f"- {json.dumps(tag)}" for tag in dict.fromkeys(tags))]
    return "\n".join([*lines, "---"])


def _base(plan: Plan, subject: Subject) -> str:
    model = plan.model
    named = _named(plan, subject)
    if model.adapter is not None:
        how = "merged into it" if model.adapter.merge else "as a part of what is here"
        named += f" with the adapter `{_folder(model.adapter.path)}` {how}"
    if plan.adapter_start is not None and plan.adapter_start.weights is not None:
        named += f", which began as `{_folder(plan.adapter_start.weights)}`"
    return named


def _named(plan: Plan, subject: Subject) -> str:
    model = plan.model
    if subject.base is not None:
        revision = model.load.get("revision")
        return f"`{subject.base}`" + (f" at revision `{revision}`" if revision else "")
    name = _folder(model.name_or_path)
    return f"`{name}`, from random weights" if model.random_init else f"the local model `{name}`"


def _folder(text: str) -> str:
    """A folder's name. A result stands in the `model` folder of its run, which has the better name."""
    path = Path(text)
    return path.parent.name if path.name == "model" else path.name


def _result(facts: Facts) -> str:
    metrics, scored = facts.metrics, facts.scored
    rows = [f"| {name} | {metrics[name]:.6g} |" for name in _SHOWN if name in metrics]
    if scored is not None:
        label = f"exact match on {scored.rows} held-out rows"
        if scored.before is not None:
            rows.append(f"| {label}, before training | {scored.before:.1%} |")
        rows.append(f"| {label}, after training | {scored.after:.1%} |")
    return "\n".join(["| metric | value |", "|---|---|", *rows])


def _data(plan: Plan, facts: Facts) -> str:
    rows = ["| data | for | revision | rows |", "|---|---|---|---|"]
    receipt = facts.receipt or {}
    used = [source.get("rows") for source in receipt.get("sources", ())]
    named = list(_sources(plan))
    counts = used if len(used) == len(named) else [None] * len(named)
    for (role, source), count in zip(named, counts, strict=True):
        shown = "" if count is None else f"{count:,}"
        rows.append(f"| `{_data_name(source)}` | {role} | {source.revision or ''} | {shown} |")
    text = "\n".join(rows)
    if "content" in receipt:
        # The revision of data that no repository keeps.
        text += f"\n\nThe content of all rows has the hash `{receipt['content']}`."
    return text


def _sources(plan: Plan) -> Iterator[tuple[str, SourcePlan]]:
    yield from (("training", source) for source in plan.data.train)
    yield from (("evaluation", source) for source in plan.data.eval)


def _data_name(source: SourcePlan) -> str:
    if _connects(source):
        return "a database"
    path = Path(source.path)
    return path.name if path.is_absolute() else source.path


def _of_hub(source: SourcePlan) -> bool:
    return not source.files and not _connects(source)


def _connects(source: SourcePlan) -> bool:
    component = discover(_SOURCES).get(source.loader)
    return component is not None and issubclass(component, Source) and component.connects


def _hardware(plan: Plan) -> str:
    machine, processes = plan.machine, plan.launch.num_processes
    if machine.accelerators == 0 or plan.arguments.arguments.get("use_cpu"):
        return f"CPU, {processes} process{'' if processes == 1 else 'es'}"
    machines = plan.launch.num_machines
    several = f" on {machines} machines" if machines > 1 else ""
    return f"{processes} x {machine.kind} ({machine.memory_gib:.0f} GiB){several}"


def _json(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _longest_run(text: str) -> int:
    """The longest run of backticks in `text`, so that the fence around it is longer."""
    longest = current = 0
    for character in text:
        current = current + 1 if character == "`" else 0
        longest = max(longest, current)
    return longest
