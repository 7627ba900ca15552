"""Measures what a forward pass keeps until the backward pass, layer by layer, on fake tensors.

Every tensor that an operation makes is noted, and which of them are alive is looked at where a
layer begins. That counts what autograd keeps, what checkpoints keep, and what anything else holds
on to, of any model with layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from itertools import pairwise
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from recipe_runner.execute import fake
from recipe_runner.execute.recomputed import NAME, options, recompute
from recipe_runner.plan import Plan


@dataclass(frozen=True)
class Kept:
    """Bytes that a pass keeps: of each layer, beside the layers, and of copies of weights.

    `beside` is what the embeddings, the rotations and the last norm keep. `copies` are weights in
    the type of the products, whatever the tokens. The loss is not traced.
    """

    layers: tuple[int, ...]
    beside: int
    copies: int


@dataclass(frozen=True)
class Pass:
    """A forward pass: its rows and their tokens, and how it computes.

    `masked` rows come with a mask. `eager` writes scores out. With `segments` each row of those
    that are joined has its attention by itself, on a CPU. `casts_inputs` is False where adapted
    layers take their inputs as they are. `dtype` is that of the weights while they are used, None
    for the one that they are loaded in.
    """

    rows: int
    length: int
    masked: bool = False
    eager: bool = False
    segments: bool = False
    casts_inputs: bool = True
    dtype: str | None = None

    @property
    def attention(self) -> str:
        """The attention that stands for that of the run."""
        if self.eager:
            return "eager"
        if self.segments:
            return fake.SEGMENTS
        return fake.MASKED if self.masked else fake.FUSED


def kept(plan: Plan, one: Pass, *, recomputes: bool = False) -> Kept:
    """Trace a pass of the plan's model with its adapter.

    With `recomputes` activations are computed again as the plan says; what then lies in the memory
    of the host is counted as if it lay on the device. The bases of quantized models have no fake
    tensors: they count as whole, in the type of the computation.
    """
    from torch._subclasses.fake_tensor import FakeTensorMode

    model = fake.model_of(plan, one.attention, dtype=one.dtype)
    if recomputes:
        turn_on(model, plan)
    with FakeTensorMode(), torch.device("cpu"), ExitStack() as stack:
        fake.fill(model)
        _put_levers_on(plan, model, stack, one)
        return _traced(plan, model, one)


def _put_levers_on(plan: Plan, model: Any, stack: ExitStack, one: Pass) -> None:
    """Let the levers that change what layers keep do so here as well."""
    for lever in plan.speed.levers:
        if lever.state == "applied":
            module = import_module(f"recipe_runner.execute.speed.{lever.name}")
            put_on = getattr(module, "put_on_fakes", None)
            if put_on is not None:
                computing = partial(fake.computing, plan, model, casts_inputs=one.casts_inputs)
                put_on(model, stack, computing)


def turn_on(model: Any, plan: Plan) -> None:
    """Let a traced model compute activations again as the plan says, whole on one device."""
    given = dict(plan.arguments.arguments)
    how = {name: value for name, value in (options(plan) or {}).items() if name != "offload"}
    here = replace(plan, arguments=replace(plan.arguments, arguments={**given, NAME: how}))
    recompute(fake.base_of(model), here)
    model.activation_checkpointing_enable()


def _traced(plan: Plan, model: Any, one: Pass) -> Kept:
    body = fake.backbone(model)
    layers = layers_of(body)
    with Alive(model) as alive:
        marks: list[int] = []
        for layer in layers:
            layer.register_forward_pre_hook(lambda *_: marks.append(alive.total()))
        layers[-1].register_forward_hook(lambda *_: marks.append(alive.total()))
        with fake.computing(plan, model, casts_inputs=one.casts_inputs):
            tokens = torch.zeros(one.rows, one.length, dtype=torch.long)
            end = body(input_ids=tokens, use_cache=False).last_hidden_state
            copies = alive.copies()
        graph = end.grad_fn
        del end
        # The result holds the graph, and the graph what it keeps, until here.
        total = alive.total()
        del graph
    each = tuple(after - before for before, after in pairwise(marks))
    return Kept(each, total - sum(each), copies)


class Alive(TorchDispatchMode):
    """Notes the tensors that operations make, but for those of `model` itself.

    Copies of parameters in another type are noted apart.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        own = (*model.parameters(), *model.buffers())
        self._own = {each.untyped_storage()._cdata for each in own}
        self._made: dict[int, tuple[StorageWeakRef, int]] = {}
        self._copies: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        del types
        out = func(*args, **(kwargs or {}))
        copied = func is torch.ops.aten._to_copy.default and _at(args[0]) in self._own
        for each in tree_leaves(out):
            if isinstance(each, torch.Tensor) and _at(each) not in self._own:
                storage = each.untyped_storage()
                # A reference keeps the place, so that no other tensor is ever found there.
                made = self._copies if copied or _at(each) in self._copies else self._made
                made[_at(each)] = (StorageWeakRef(storage), storage.nbytes())
        return out

    def total(self) -> int:
        """Bytes of those that are alive, without copies of weights."""
        return _bytes(self._made)

    def copies(self) -> int:
        """Bytes of copies of weights that are alive."""
        return _bytes(self._copies)


def layers_of(body: Any) -> list[Any]:
    """The layers of a model, in order: those that transformers can compute again, or a list of modules."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    found = [each for each in body.modules() if isinstance(each, GradientCheckpointingLayer)]
    if found:
        return found
    lists = [each for each in body.modules() if isinstance(each, torch.nn.ModuleList)]
    return list(max(lists, key=len, default=()))


def _at(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _bytes(made: Mapping[int, tuple[StorageWeakRef, int]]) -> int:
    return sum(size for place, size in made.values() if not place.expired())
