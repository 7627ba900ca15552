"""Every leaf of the schema, with another valid value for it and a recipe in which it counts.

Most leaves need nothing: the value is made from the field's type, and the recipe is the
shortest one. The tables below hold those that want a certain value or certain company.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from recipe_runner.components.base import Component, discover
from recipe_runner.recipe.fields import SchemaField
from recipe_runner.recipe.schema import Recipe
from tests.workshop import recipe

EVAL = {"data.eval": "data/eval.jsonl"}
HUB = {"data.train.path": "org/set", "data.train.format": "messages"}
HUB_EVAL = {"data.eval.path": "org/eval", "data.eval.format": "messages"}
EVAL_SET = {"data.eval.path": "data/eval.jsonl"}
PAIRS = {"data.train.format": "prompt_completion"}
EVAL_PAIRS = {"data.eval.format": "prompt_completion"}
PLACES = {"data.train.format.prompt": "{q}", "data.train.format.completion": "{a}"}
TURNS = {**PLACES, "data.train.format.render": "chat"}
EVAL_PLACES = {"data.eval.format.prompt": "{q}", "data.eval.format.completion": "{a}"}
EVAL_TURNS = {**EVAL_PLACES, "data.eval.format.render": "chat"}
TWO = {"launch.num_processes": 2}
WORKERS = {"training.dataloader_num_workers": 2}
MODULES = {"adapter.target_modules": ["q_proj"]}
MACHINES = {"launch.num_machines": 2, "launch.main_process_ip": "10.0.0.1"}

COMPANY: Mapping[str, Mapping[str, Any]] = {
    "quantization(": {"adapter": "lora"},
    "data.train.format(": {"data.train.path": "org/set"},
    "data.train.source(": {"data.train.format": "messages"},
    "data.train.source(arrow)": {"data.train.path": "data/pairs.csv", **PAIRS},
    "data.train.source(csv)": {"data.train.path": "data/pairs.csv", **PAIRS},
    "data.train.source(text)": {"data.train.path": "data/book.txt", "data.train.format": "text"},
    "data.train.format(template).": {"data.train.path": "org/set", **PLACES},
    "data.train.format(template).text": {
        "data.train.path": "org/set",
        "data.train.format.text": "{a}",
    },
    "data.train.format(template).syntax": {
        "data.train.path": "org/set",
        "data.train.format.text": "{q} {{ q }}",
    },
    "data.train.format(template).system": {"data.train.path": "org/set", **TURNS},
    "data.train.format(template).images_column": {"data.train.path": "org/set", **TURNS},
    "data.train.path": HUB,
    "data.train.columns": HUB,
    "data.train.name": HUB,
    "data.train.split": HUB,
    "data.train.revision": HUB,
    "data.train.data_files": HUB,
    "data.streaming": {"training.max_steps": 9},
    "data.shuffle_buffer": {"training.max_steps": 9, "data.streaming": True},
    "data.eval.": EVAL_SET,
    "data.eval.format(": {"data.eval.path": "org/set"},
    "data.eval.format(template).": {"data.eval.path": "org/set", **EVAL_PLACES},
    "data.eval.format(template).text": {
        "data.eval.path": "org/set",
        "data.eval.format.text": "{a}",
    },
    "data.eval.format(template).syntax": {
        "data.eval.path": "org/set",
        "data.eval.format.text": "{q} {{ q }}",
    },
    "data.eval.format(template).system": {"data.eval.path": "org/set", **EVAL_TURNS},
    "data.eval.format(template).images_column": {"data.eval.path": "org/set", **EVAL_TURNS},
    "data.eval.source(": {**EVAL_SET, "data.eval.format": "messages"},
    "data.eval.source(arrow)": {"data.eval.path": "data/pairs.csv", **EVAL_PAIRS},
    "data.eval.source(csv)": {"data.eval.path": "data/pairs.csv", **EVAL_PAIRS},
    "data.eval.source(text)": {"data.eval.path": "data/book.txt", "data.eval.format": "text"},
    "data.eval.path": HUB_EVAL,
    "data.eval.columns": HUB_EVAL,
    "data.eval.name": HUB_EVAL,
    "data.eval.split": HUB_EVAL,
    "data.eval.revision": HUB_EVAL,
    "data.eval.data_files": HUB_EVAL,
    "data.deduplicate.threshold": {"data.deduplicate.method": "near"},
    "data.leakage": EVAL,
    "data.mix.": {"data.train": ["data/chat.jsonl", "data/eval.jsonl"]},
    "data.mix.stopping_strategy": {
        "data.train": ["data/chat.jsonl", "data/eval.jsonl"],
        "data.mix.strategy": "interleave",
    },
    "data.eval(EvalSplit).split": {"data.eval": {"split": 0.25}},
    "data.eval_packing": {**EVAL, "data.packing": "bfd"},
    "training.eval_": EVAL,
    "training.evals_per_epoch": EVAL,
    "training.load_best_model_at_end": EVAL,
    "training.early_stopping_patience": EVAL,
    "training.early_stopping_threshold": {**EVAL, "training.early_stopping_patience": 2},
    "training.liger_kernel_config": {"training.use_liger_kernel": True},
    "training.optim_target_modules": {
        "training.optim": "galore_adamw",
        "training.optim_target_modules": "all-linear",
    },
    "training.torch_compile_": {"training.torch_compile": True},
    "training.loss_watchdog.": {"training.loss_watchdog.threshold": 5.0},
    "training.dataloader_prefetch_factor": WORKERS,
    "training.dataloader_persistent_workers": WORKERS,
    "training.ddp_backend": TWO,
    "adapter(lora).layers_to_transform": MODULES,
    "adapter(lora).layers_pattern": {**MODULES, "adapter.layers_to_transform": [0]},
    "score.": EVAL,
    "hub.": {"hub.hub_model_id": "org/result"},
    "launch.strategy(": TWO,
    "launch.strategy(single)": {},
    "launch.strategy(deepspeed).zero3_": {**TWO, "launch.strategy.zero_stage": 3},
    "launch.strategy(deepspeed).offload_param": {**TWO, "launch.strategy.zero_stage": 3},
    "launch.strategy(fsdp).min_num_params": {
        **TWO,
        "launch.strategy.auto_wrap_policy": "SIZE_BASED_WRAP",
    },
    "launch.num_machines": {**MACHINES, "launch.num_machines": 1},
    "launch.main_process_": MACHINES,
}
"""What else the recipe has to say, by the beginning of the knob's id; the longest one counts."""

MACHINE = {
    "training.tf32": "A100-40GB",
    "launch.strategy(": "2xH100-80GB",
    "launch.strategy(single)": "cpu",
    "launch.mixed_precision": "8xH100-80GB",
    "launch.use_cpu": "8xH100-80GB",
    "launch.main_process_": "8xH100-80GB",
    "launch.num_machines": "8xH100-80GB",
}
"""The machine that a knob needs, by the beginning of its id; a CPU is enough for the others."""

VALUES: Mapping[str, Any] = {
    "data.eval_packing": False,
    "tokenizer.chat_template(TemplateFile).file": "other.jinja",
    "data.train.path": "org/other",
    "data.eval.path": "org/other",
    "data.eval(EvalSplit).split": 0.5,
    "data.train.format(alpaca).render": "chat",
    "data.eval.format(alpaca).render": "chat",
    "data.train.format(template).text": "{q} {a}",
    "data.eval.format(template).text": "{q} {a}",
    "data.train.format(template).prompt": "{other}",
    "data.eval.format(template).prompt": "{other}",
    "data.train.format(template).completion": "{other}",
    "data.eval.format(template).completion": "{other}",
    "data.loss_on": "all",
    "data.loss_on.roles": ["user"],
    "algorithm(sft).extra": {"eval_use_gather_object": True},
    "training.optim": "adamw_torch",
    "training.optim_args": "key=1",
    "training.metric_for_best_model": "eval_entropy",
    "training.lr_scheduler_kwargs": {"num_cycles": 2},
    "training.load_best_model_at_end": False,
    "launch.num_machines": 2,
}
"""Values that the field's type does not tell."""


def _interleaved(first: float) -> Mapping[str, Any]:
    sets = [
        {"path": "data/chat.jsonl", "probability": first},
        {"path": "data/eval.jsonl", "probability": 1 - first},
    ]
    return {"data.train": sets, "data.mix": {"strategy": "interleave"}}


def _queried(source: Any) -> Mapping[str, Any]:
    return {"path": "env:ROWS", "format": "messages", "source": source}


SQL = _queried({"type": "sql", "query": "SELECT 1"})
OTHER_SQL = _queried({"type": "sql", "query": "SELECT 2"})
ON_HUB = {**SQL, "path": "org/set", "source": "hub"}

WHOLE: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "data.train.format(template).type": (
        {"data.train": {"path": "org/set", "format": "messages"}},
        {"data.train": {"path": "org/set", "format": {"type": "template", "text": "{q}"}}},
    ),
    "data.eval.format(template).type": (
        {"data.eval": {"path": "org/set", "format": "messages"}},
        {"data.eval": {"path": "org/set", "format": {"type": "template", "text": "{q}"}}},
    ),
    "data.train.source(sql).type": ({"data.train": ON_HUB}, {"data.train": SQL}),
    "data.eval.source(sql).type": ({"data.eval": ON_HUB}, {"data.eval": SQL}),
    "data.train.source(sql).query": ({"data.train": SQL}, {"data.train": OTHER_SQL}),
    "data.eval.source(sql).query": ({"data.eval": SQL}, {"data.eval": OTHER_SQL}),
    "data.train.probability": (_interleaved(0.5), _interleaved(0.25)),
}
"""Knobs whose recipe cannot be put together from one value: before and after."""

ONE_VALUE = ("recipe", "algorithm(sft).type")
"""Leaves that have a single valid value."""

REFUSED: Mapping[str, str] = {
    "model.trust_remote_code": "RR325",
    "data.train.format(preference)": "RR408",
    "data.eval.format(preference)": "RR408",
    "data.train.format(unpaired_preference)": "RR408",
    "data.eval.format(unpaired_preference)": "RR408",
    "data.train.format(stepwise)": "RR408",
    "data.eval.format(stepwise)": "RR408",
    "data.train.format(prompt)": "RR408",
    "data.eval.format(prompt)": "RR408",
    "data.eval.probability": "RR331",
    "data.eval.repeat": "RR307",
}
"""Leaves that no recipe of today's algorithms can turn, and the code that says so."""


@dataclass(frozen=True)
class Knob:
    """A leaf: the path of its mapping, the model of that mapping, and the field."""

    path: tuple[str, ...]
    model: type[BaseModel]
    name: str

    @property
    def id(self) -> str:
        """`training.learning_rate`, `adapter(lora).r`, `data.eval(EvalSplit).split`."""
        kind = ""
        if issubclass(self.model, Component):
            kind = f"({self.model.type_name()})"
        elif self.model.__name__ in ("EvalSplit", "TemplateFile", "TemplateInline"):
            kind = f"({self.model.__name__})"
        return f"{'.'.join(self.path)}{kind}.{self.name}".lstrip(".")

    @property
    def machine(self) -> str:
        """The name of the machine to compile for."""
        return str(_longest(MACHINE, self.id, "cpu"))

    @property
    def before(self) -> dict[str, Any]:
        """A recipe in which the knob counts and stands at its default."""
        if self.id in WHOLE:
            return recipe(WHOLE[self.id][0])
        return recipe(self._company(other=self.name == "type"))

    @property
    def after(self) -> dict[str, Any]:
        """The same recipe with the knob turned."""
        if self.id in WHOLE:
            return recipe(WHOLE[self.id][1])
        company = self._company(other=False)
        if self.name != "type":
            company[".".join((*self.path, self.name))] = self._value()
        return recipe(company)

    def _company(self, other: bool) -> dict[str, Any]:
        company = dict(_longest(COMPANY, self.id, {}))
        at = ".".join(self.path)
        if issubclass(self.model, Component):
            kind = _other_component(self) if other else self.model
            mapping = (
                {f"{at}.{key}": value for key, value in _required(kind).items()} if kind else {}
            )
            company = {**mapping, **company}
        elif self.path:
            own = {f"{at}.{key}": value for key, value in _required(self.model).items()}
            company = {**{k: v for k, v in own.items() if k != f"{at}.{self.name}"}, **company}
            if at in ("model", "data", "data.train"):
                company = {k: v for k, v in company.items() if k in _longest(COMPANY, self.id, {})}
        return company

    def _value(self) -> Any:
        if self.id in VALUES:
            return VALUES[self.id]
        info = self.model.model_fields[self.name]
        default = info.get_default(call_default_factory=True, validated_data={})
        return next(v for v in candidates(info.annotation) if v != default)


def knobs() -> Iterator[Knob]:
    """Every leaf, those of each component apart."""
    seen: set[Knob] = set()

    def visit(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[Knob]:
        for name in model.model_fields:
            sections = SchemaField(model, name).sections
            knob = Knob(path, model, name)
            if not sections and knob not in seen:
                seen.add(knob)
                yield knob
            for section in sections:
                yield from visit(section, (*path, name))

    yield from visit(Recipe, ())


def candidates(hint: Any) -> Iterator[Any]:
    """Values of a type, none of which means "decide for me"."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is bool:
        yield from (True, False)
    elif hint in (int, float, str):
        yield {int: 7, float: 0.625, str: "other"}[hint]
    elif origin is Literal:
        yield from (word for word in arguments if word != "auto")
    elif origin in (Union, types.UnionType):
        for member in arguments:
            yield from candidates(member)
    elif origin is tuple:
        yield from ([item] for item in candidates(arguments[0]))
    elif origin is dict:
        yield from ({"key": item} for item in candidates(arguments[1]))
    elif hasattr(hint, "__metadata__"):
        yield from candidates(hint.__origin__)
    elif hint is not types.NoneType:
        yield 1  # any JSON value


def _required(model: type[BaseModel]) -> dict[str, Any]:
    values: dict[str, Any] = {
        name: next(candidates(info.annotation))
        for name, info in model.model_fields.items()
        if info.is_required() and not SchemaField(model, name).sections
    }
    return values


def _other_component(knob: Knob) -> type[Component] | None:
    """Another component of the same axis; None where there is no other, or where none is one."""
    package = knob.model.__module__.rpartition(".")[0]
    others = [kind for kind in discover(package).values() if kind is not knob.model]
    return others[0] if others else None


def _longest(table: Mapping[str, Any], key: str, default: Any) -> Any:
    fitting = [start for start in table if key.startswith(start)]
    return table[max(fitting, key=len)] if fitting else default


__all__ = ["ONE_VALUE", "REFUSED", "Knob", "knobs"]
