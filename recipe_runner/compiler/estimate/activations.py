"""What the forward pass of a decoder layer keeps for the backward pass, in bytes per token.

It is counted tensor by tensor as autograd keeps them in transformers' models: the input of a
product whose weight trains, what a norm, a rotation, an attention and a gate need. A tensor that
several of them need counts once. `tests/runs/estimate/test_saved.py` compares the sums with a
trace of the real models.

Source: transformers 5.23 (`modeling_llama` and its kin), peft 0.21 (`tuners/lora/layer.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from recipe_runner.compiler.estimate.architecture import Architecture, Module

FLOAT32 = 4
_ATTENTION_READS = ("q_proj", "k_proj", "v_proj", "qkv_proj", "c_attn", "query_key_value")
_ATTENTION_WRITES = ("o_proj", "attn.c_proj", "attention.dense", "out_proj")
_INNER_READS = ("gate_proj", "up_proj", "gate_up_proj", "c_fc", "dense_h_to_4h", "fc1")
_INNER_WRITES = ("down_proj", "mlp.c_proj", "dense_4h_to_h", "fc2")

_ACTIVATION = {"relu": 0, "gelu_new": 4}
"""Tensors that an activation function keeps; the others are one operation, which keeps its input.

ReLU keeps its result, which the next product keeps as well. `gelu_new` is written out, and keeps
its input, half of it, the tangent and one plus that.
"""


_BEFORE = ("input_layernorm",)
_WITHIN = ("pre_feedforward_layernorm", "post_attention_layernorm")
_GATED = ("silu", "swish", "gelu", "gelu_new", "gelu_pytorch_tanh")
"""Activations of gates whose factors are all that a fused layer keeps."""


@dataclass(frozen=True)
class Forward:
    """How a forward pass computes. Widths are bytes per number.

    `stream` is that of the weights and of what runs between the layers, `compute` that of the
    products, which differ under `autocast`; `adapter` is that of the adapter's weights.
    `casts_inputs` is True where PEFT casts the input of an adapted layer to the type of the
    adapter. `dropout` is True where the adapter drops some of its input. `length` is the tokens
    of a row, `masked` whether rows come with a mask, `eager` whether scores are written out;
    `segments` is True where each row of those that are joined has its attention by itself.
    `fused` is True where norms and gates keep no more than they need, and so do adapted layers
    where the adapter is one for it (`fused_adapter`).
    """

    stream: int
    compute: int
    autocast: bool = False
    cpu: bool = False
    adapter: int = FLOAT32
    casts_inputs: bool = True
    dropout: bool = False
    length: int = 0
    masked: bool = False
    eager: bool = False
    segments: bool = False
    fused: bool = False
    fused_adapter: bool = False

    @property
    def fuses_adapter(self) -> bool:
        """True where an adapted layer keeps its input once, as it reads it."""
        return self.fused and self.fused_adapter and not self.dropout


@dataclass(frozen=True)
class Trained:
    """What trains: `parameters` of the model by name, and `ranks` of adapted layers by theirs."""

    parameters: frozenset[str] = frozenset()
    ranks: Mapping[str, float] = field(default_factory=dict)

    def weight_of(self, module: Module) -> bool:
        """True where the module's own weight trains."""
        return f"{module.name}.weight" in self.parameters

    def within(self, modules: Iterable[Module]) -> bool:
        """True where something of the modules trains."""
        return any(
            m.name in self.ranks or any(f"{m.name}.{key}" in self.parameters for key in m.shapes)
            for m in modules
        )


def kept_by_layers(
    architecture: Architecture, trained: Trained, forward: Forward, *, flows: bool = False
) -> tuple[float, ...]:
    """What each layer keeps; nothing below the first one in which something trains.

    With `flows` the gradient goes down to the embeddings whatever trains, as transformers makes
    it where layers are computed again.
    """
    kept: list[float] = []
    flows = flows or trained.within(architecture.below(architecture.embeddings))
    known: dict[tuple[object, ...], float] = {}
    for layer in architecture.by_layer:
        flows = flows or trained.within(layer)
        # Layers are mostly alike: what one keeps is what others of its kind keep.
        kind = (
            flows,
            *((m.size, m.ending, trained.ranks.get(m.name), trained.within((m,))) for m in layer),
        )
        if kind not in known:
            known[kind] = _layer(architecture, layer, trained, forward) if flows else 0.0
        kept.append(known[kind])
    return tuple(kept)


def kept_of_attention(architecture: Architecture, forward: Forward) -> float:
    """What a fused attention gave, with a sum for each head; nothing where scores are written out."""
    writes = _named(architecture.modules, _ATTENTION_WRITES)
    if not writes or forward.eager:
        return 0.0
    # In segments on a CPU, attention computes in float32.
    width = FLOAT32 if forward.segments else forward.compute
    return width * writes[0].inputs + FLOAT32 * architecture.heads


def casts_anew(
    architecture: Architecture, layer: Sequence[Module], trained: Trained, forward: Forward
) -> tuple[Module, ...]:
    """The modules of a layer of which no copy in the type of the products is kept."""
    if not forward.fused:
        return ()
    adapted = [m for m in layer if m.name in trained.ranks and _fuses(m, forward)]
    gated = _is_gate(architecture, _named(layer, _INNER_READS), forward)
    last = [
        m
        for m in _named(layer, _INNER_WRITES)
        if gated and m not in adapted and m.name not in trained.ranks
    ]
    return (*adapted, *last)


def kept_at_ends(architecture: Architecture, trained: Trained, forward: Forward) -> float:
    """What the last norm and the rotations keep, with the ids of the tokens."""
    ends = [
        m
        for m in architecture.modules
        if m.kind == "norm" and not m.name.startswith(f"{architecture.layers}.")
    ]
    size = max((m.inputs for m in _named(architecture.modules, _ATTENTION_WRITES)), default=0)
    rotations = 2 * forward.stream * (size // max(1, architecture.heads))
    return (
        sum(_norm(m, 1, forward.stream, architecture, trained, forward) for m in ends)
        + rotations
        + 8
    )


def _layer(
    architecture: Architecture, layer: Sequence[Module], trained: Trained, forward: Forward
) -> float:
    reads = _named(layer, _ATTENTION_READS)
    writes = _named(layer, _ATTENTION_WRITES)
    inner_reads = _named(layer, _INNER_READS)
    inner_writes = _named(layer, _INNER_WRITES)
    between = _between(layer, forward)
    return (
        _norms(architecture, layer, trained, forward)
        + _inputs(reads, between, trained, forward, again=_made_again(layer, _BEFORE, forward))
        + _attention(architecture, reads, writes, forward)
        + _inputs(
            writes,
            forward.compute,
            trained,
            forward,
            held=not (forward.eager or forward.segments),
        )
        + _inputs(
            inner_reads, between, trained, forward, again=_made_again(layer, _WITHIN, forward)
        )
        + _inner(architecture, inner_reads, forward)
        + _inputs(
            inner_writes,
            forward.compute,
            trained,
            forward,
            held=_is_held(architecture, layer, trained, forward),
        )
        + _experts(architecture, layer, trained, forward)
        + _masks(architecture, forward)
    )


def _named(layer: Iterable[Module], endings: tuple[str, ...]) -> tuple[Module, ...]:
    return tuple(m for m in layer if m.kind == "linear" and m.name.endswith(endings))


def _between(layer: Iterable[Module], forward: Forward) -> int:
    """Width of what norms give to the products behind them."""
    affine = any(m.kind == "norm" and "bias" in m.shapes for m in layer)
    # Autocast on CUDA computes the norm of a mean in float32; on a CPU it leaves it as it is.
    return FLOAT32 if affine and forward.autocast and not forward.cpu else forward.stream


def _norms(
    architecture: Architecture, layer: Sequence[Module], trained: Trained, forward: Forward
) -> float:
    norms = {m.ending: m for m in layer if m.kind == "norm"}
    total = 0.0
    for ending, module in norms.items():
        rows = 1
        if ending == "q_norm":
            rows = architecture.heads
        elif ending == "k_norm":
            rows = architecture.key_value_size // module.size
        # Behind a product comes its own type; Gemma has such norms beside those on the stream.
        after = rows > 1 or ("pre_feedforward_layernorm" in norms and ending.startswith("post_"))
        width = forward.compute if after else forward.stream
        total += _norm(module, rows, width, architecture, trained, forward)
    if architecture.parallel:
        wide = FLOAT32 if forward.autocast and not forward.cpu else forward.stream
        total -= wide * architecture.hidden_size * (forward.stream == wide)
    return total


def _norm(
    module: Module,
    rows: int,
    width: int,
    architecture: Architecture,
    trained: Trained,
    forward: Forward,
) -> float:
    size = module.shapes["weight"][0] * rows
    if "bias" in module.shapes:
        kept = FLOAT32 if forward.autocast and not forward.cpu else width
        return kept * size + 2 * FLOAT32
    if forward.fused:
        return width * size + FLOAT32 * rows
    # The input in float32, the root of each row, and what is multiplied by factors that train.
    factors = FLOAT32 if architecture.offset_norms else width
    return FLOAT32 * size + FLOAT32 * rows + factors * size * trained.weight_of(module)


def _inputs(
    modules: Sequence[Module],
    width: int,
    trained: Trained,
    forward: Forward,
    *,
    held: bool = False,
    again: bool = False,
) -> float:
    """What products that read the same tensor, of this `width`, keep of it.

    It is `held` where it is kept anyway, and with `again` fused layers make it again.
    """
    own, shared, cast = 0.0, False, False
    for module in modules:
        rank = trained.ranks.get(module.name)
        if rank is not None:
            copies, plain = _adapted(module, rank, width, forward)
            own += copies
            if not _fuses(module, forward):
                shared = shared or plain
            elif not again:
                cast = cast or (forward.autocast and width != forward.compute)
                shared = shared or not cast
        if trained.weight_of(module):
            if width == forward.compute:
                shared = True
            else:
                own += forward.compute * module.inputs  # autocast makes a copy for each product
    if cast:
        own += forward.compute * modules[0].inputs  # one copy that they share
    return own + (width * modules[0].inputs if shared and not held else 0)


def _made_again(layer: Sequence[Module], before: tuple[str, ...], forward: Forward) -> bool:
    """True where what these products read comes from a norm that is fused."""
    norms = {m.ending for m in layer if m.kind == "norm" and "bias" not in m.shapes}
    # Without the first one, norms come behind the products.
    found = next((each for each in before if each in norms), None)
    return forward.fused and found is not None and _BEFORE[0] in norms


def _fuses(module: Module, forward: Forward) -> bool:
    """True where the adapted layer keeps its input once; GPT-2's weights lie the other way."""
    return forward.fuses_adapter and not module.ending.startswith("c_")


def _adapted(module: Module, rank: float, width: int, forward: Forward) -> tuple[float, bool]:
    """What an adapted layer keeps on its own, and whether it keeps its input as it is."""
    if _fuses(module, forward):
        return (forward.compute if forward.autocast else forward.adapter) * rank, True
    casts = forward.casts_inputs and width != forward.adapter
    read = forward.adapter if casts else width
    product = forward.compute if forward.autocast else read
    kept = product * rank
    if forward.dropout:
        # What is dropped is a mask of bytes on a GPU, and of factors on a CPU.
        kept += (read if forward.cpu else 1) * module.inputs + product * module.inputs
        return kept, False
    if casts or product != read:
        return kept + product * module.inputs, False
    return kept, True


def _attention(
    architecture: Architecture, reads: Sequence[Module], writes: Sequence[Module], forward: Forward
) -> float:
    """Queries, keys, values and the result, with a sum for each head; or the scores."""
    if not reads or not writes:
        return 0.0
    queries, shared = writes[0].inputs, architecture.key_value_size
    grouped = shared < queries
    fused = len(reads) == 1
    # With a mask, or written out, keys and values are repeated for every head of the queries.
    repeated = grouped and (forward.masked or forward.eager)
    keys, values = (queries, queries) if repeated else (shared, shared)
    if fused and not repeated:
        values = queries + 2 * shared  # a view, which keeps all of the product
    if reads[0].ending == "c_attn":
        queries_kept, keys = 0, 0  # of the same product, without a rotation between
    else:
        queries_kept = queries
    if forward.segments:
        # In float32 on a CPU. What reads the results has a tensor of its own.
        if fused and forward.compute != FLOAT32 and queries_kept:
            values = shared  # a copy, and the product is let go
        wide = FLOAT32 * (queries_kept + keys + values + queries)
        return wide + FLOAT32 * architecture.heads
    kept = forward.compute * (queries_kept + keys + values)
    if not forward.eager:
        mask = forward.compute * forward.length if forward.masked else 0
        return kept + forward.compute * queries + FLOAT32 * architecture.heads + mask
    half = forward.compute if forward.compute != FLOAT32 else 0
    return kept + forward.length * architecture.heads * (FLOAT32 + half)


def _inner(architecture: Architecture, reads: Sequence[Module], forward: Forward) -> float:
    """What the activation function keeps, and for a gate both of its factors."""
    if not reads:
        return 0.0
    kept = _ACTIVATION.get(architecture.activation, 1)
    if _is_gate(architecture, reads, forward):
        return forward.compute * sum(each.outputs for each in reads)
    if len(reads) == 2:
        return forward.compute * reads[0].outputs * (kept + 2)
    if reads[0].ending == "gate_up_proj":
        return forward.compute * reads[0].outputs / 2 * (kept + 2)
    relu = architecture.activation == "relu"
    return forward.compute * reads[0].outputs * (1 if relu else kept)


def _is_gate(architecture: Architecture, reads: Sequence[Module], forward: Forward) -> bool:
    """True where a gate keeps its two factors alone."""
    known = architecture.activation in _GATED
    gates = len(reads) == 2 or (len(reads) == 1 and reads[0].ending == "gate_up_proj")
    return forward.fused and known and gates


def _is_held(
    architecture: Architecture, layer: Sequence[Module], trained: Trained, forward: Forward
) -> bool:
    """True where the input of the last layer of a feed-forward layer is kept anyway, or made again."""
    if _is_gate(architecture, _named(layer, _INNER_READS), forward):
        adapted = any(m.name in trained.ranks for m in _named(layer, _INNER_WRITES))
        return forward.fuses_adapter or not adapted
    return architecture.activation == "relu"


def _experts(
    architecture: Architecture, layer: Sequence[Module], trained: Trained, forward: Forward
) -> float:
    """What the experts keep that see a token: as gates, with a copy of the token for each."""
    total = 0.0
    for module in layer:
        if module.kind != "other":
            continue
        if "gate_up_proj" not in module.shapes:
            experts, inputs = module.shapes["weight"]
            total += forward.stream * inputs * trained.weight_of(module) + FLOAT32 * experts
            continue
        _, twice, inputs = module.shapes["gate_up_proj"]
        inner, whole = twice // 2, f"{module.name}.gate_up_proj" in trained.parameters
        # Both halves of the gate, its value and its product; the result times its weight.
        each = 3 * inner + inputs + whole * (inner + inputs)
        total += architecture.experts_per_token * forward.compute * each
    return total


def _masks(architecture: Architecture, forward: Forward) -> float:
    """What dropout behind the attention and behind the feed-forward layer keeps."""
    each = forward.compute if forward.cpu else 1
    return 2 * each * architecture.hidden_size if architecture.drops else 0.0
