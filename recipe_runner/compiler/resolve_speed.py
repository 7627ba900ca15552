"""Judges the levers, and decides what they need: the attention, and tokens per pass."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

from recipe_runner.compiler.estimate.known import known_config
from recipe_runner.compiler.resolve_joined import attention_of, joins_rows
from recipe_runner.compiler.resolved import Draft
from recipe_runner.components.base import create, discover, settled
from recipe_runner.components.lever import Lever, Situation, Verdict, not_needed
from recipe_runner.components.sharding import Sharding
from recipe_runner.plan import LeverPlan, MachinePlan
from recipe_runner.plan.joined import SEGMENTS
from recipe_runner.plan.launch import THIS_MACHINE
from recipe_runner.recipe.schema import Recipe
from recipe_runner.recipe.speed import Word
from recipe_runner.survey import Surroundings

AXIS = "recipe_runner.components.levers"

_MOST_TOKENS = {True: 4096, False: 16384}
"""Tokens of a pass on a CPU and on a GPU, from which on a larger one is no faster."""


def resolve_speed(draft: Draft) -> Draft:
    """Take the attention that keeps rows apart, and the tokens that a pass may have."""
    judged = judge(draft.recipe, draft.machine, draft.around)
    levers = {each.name: each for each in judged}
    recipe = draft.recipe
    draft = replace(draft, levers=judged)
    for name, word in recipe.speed.words():
        if word == "auto":
            lever = levers[name]
            on = lever.state == "applied"
            because = lever.because if on else f"{lever.state}: {lever.because}"
            draft = draft.decide(f"speed.{name}", "on" if on else "off", because)
    draft = _each_is_named(draft)
    if used(judged, "joins") and recipe.model.attn_implementation is None:
        because = "rows are joined before the layers, and each sees only itself"
        draft = draft.decide("model.attn_implementation", SEGMENTS, because)
    if recipe.speed.tokens_per_micro_batch == "auto":
        micro = settled(recipe.training.per_device_train_batch_size)
        length, cpu = settled(recipe.data.max_length), settled(recipe.launch.use_cpu)
        most = max(length, min(micro * length, _MOST_TOKENS[cpu]))
        because = (
            f"{micro} rows of up to {length:,} tokens fit, and more than {_MOST_TOKENS[cpu]:,} "
            "are no faster"
        )
        draft = draft.decide("speed.tokens_per_micro_batch", most, because)
    return draft


def _each_is_named(draft: Draft) -> Draft:
    """Say nothing of levers that are not named, as none is left."""
    words = dict(draft.recipe.speed.words())
    speed = draft.recipe.speed.model_copy(update={**words, "levers": "off"})
    return replace(draft, recipe=draft.recipe.model_copy(update={"speed": speed}))


def used(levers: Iterable[LeverPlan], trait: str) -> bool:
    """True where a lever with that trait is used."""
    return any(each.state == "applied" and getattr(lever_of(each.name), trait) for each in levers)


def judge(recipe: Recipe, machine: MachinePlan, around: Surroundings) -> tuple[LeverPlan, ...]:
    """What becomes of each lever of a recipe whose launch, batch and adapter are settled."""
    situation = situation_of(recipe, machine, around)
    words = dict(recipe.speed.words())
    made_by = next(_used(situation, words, "makes_model"), "")
    situation = replace(situation, made_by=made_by)
    compiled = any(_used(situation, words, "compiles_layers"))
    situation = replace(situation, compiles_layers=compiled)
    fused_by = next(_used(situation, words, "fuses_layers"), "")
    situation = replace(situation, fused_by=fused_by)
    joins = any(_used(situation, words, "joins"))
    situation = replace(situation, without_padding=joins)
    return tuple(_plan(lever, words[name], situation) for name, lever in _levers())


def _used(situation: Situation, words: Mapping[str, Word], trait: str) -> Iterator[str]:
    """The levers with that trait that would be used; first those that the recipe names."""
    levers = [(name, lever) for name, lever in _levers() if getattr(lever, trait)]
    for name, lever in sorted(levers, key=lambda each: words[each[0]] not in ("on", "require")):
        if _plan(lever, words[name], situation).state == "applied":
            yield name


def _levers() -> Iterator[tuple[str, Lever]]:
    for name in discover(AXIS):
        yield name, lever_of(name)


@lru_cache
def lever_of(name: str) -> Lever:
    """The lever of that name."""
    lever: Lever = create(AXIS, {"type": name})
    return lever


def _plan(lever: Lever, word: str, situation: Situation) -> LeverPlan:
    verdict = _verdict(lever, situation)
    state, because, asks = verdict.state, verdict.because, False
    if verdict.asks and word in ("on", "require"):
        state, because = "applied", "the recipe asks for it"
    elif verdict.asks:
        because += f"; `speed.{lever.type}: on` uses it all the same"
        asks = word == "auto"
    elif word == "off" and state == "applied":
        state, because = "refused", "the recipe turns it off"
    return LeverPlan(lever.type, state, because, required=word == "require", asks=asks)


def _verdict(lever: Lever, situation: Situation) -> Verdict:
    """What the lever says, unless another one has its place."""
    if situation.made_by not in ("", lever.type):
        return not_needed(f"{situation.made_by} makes the model, with kernels of its own")
    verdict = lever.judge(situation)
    taken = lever.fuses_layers and situation.fused_by not in ("", lever.type)
    if taken and (verdict.asks or verdict.state == "applied"):
        return not_needed(f"{situation.fused_by} fuses the layers")
    return verdict


def situation_of(recipe: Recipe, machine: MachinePlan, around: Surroundings) -> Situation:
    """The recipe in the words that levers read."""
    algorithm, training, adapter = recipe.algorithm, recipe.training, recipe.adapter
    options = algorithm.options()
    sharding, quantization = recipe.launch.strategy, recipe.quantization
    facts = around.model
    known = (facts.config or known_config(facts.path)) if facts is not None else {}
    plain = options.get("loss_type", "nll") == "nll" and not training.label_smoothing_factor
    given = adapter.options() if adapter is not None else {}
    return Situation(
        cpu=settled(recipe.launch.use_cpu),
        cpus=machine.cpus,
        kind=machine.kind,
        precision=settled(recipe.launch.mixed_precision),
        processes=settled(recipe.launch.num_processes),
        shards_weights=isinstance(sharding, Sharding) and sharding.shards_weights,
        feed=algorithm.feed,
        totals=algorithm.totals and plain,
        reads_head=algorithm.reads_head,
        generates_in_batches=bool(options.get("use_transformers_continuous_batching")),
        joins_rows=joins_rows(recipe),
        drop_last=training.dataloader_drop_last,
        sees=settled(recipe.model.task) == "image_text_to_text",
        micro_batch=settled(training.per_device_train_batch_size),
        accumulation=settled(training.gradient_accumulation_steps),
        torch_compile=training.torch_compile,
        threads=recipe.launch.num_cpu_threads_per_process,
        logging_steps=training.logging_steps,
        attention=recipe.model.attn_implementation,
        adapter=adapter.type if adapter is not None else "",
        virtual_tokens=adapter is not None and adapter.targets == "prompt",
        reads_places=adapter is not None and adapter.reads_places,
        low_rank=adapter is not None and adapter.is_product,
        draws=adapter is not None and adapter.draws,
        noise=bool(training.neftune_noise_alpha),
        dropout=max(
            (float(v or 0) for k, v in given.items() if k.endswith("dropout")), default=0.0
        ),
        reads_batch=next(
            (each.type for each in (quantization, adapter) if each and each.reads_batch), None
        ),
        quantized=quantization.type if quantization is not None else None,
        in_segments=attention_of(recipe) == SEGMENTS,
        # What is installed here says nothing of another machine.
        packages=around.packages if machine.source == THIS_MACHINE else None,
        algorithm=algorithm.type,
        config={**known, **recipe.model.config_overrides},
    )
