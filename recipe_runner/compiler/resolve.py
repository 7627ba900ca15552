"""Decides what the recipe leaves open. The only place that writes into a recipe.

Each function takes a draft and returns one with its decisions made, so the order
below is the order in which values depend on each other.
"""

import math
from collections.abc import Callable
from functools import reduce

from recipe_runner.compiler.compile_data import compile_source
from recipe_runner.compiler.resolve_batch import (
    prompts_of_a_round,
    resolve_batch,
    steps_of_a_round,
)
from recipe_runner.compiler.resolve_continued import resolve_continued
from recipe_runner.compiler.resolve_data import resolve_sources
from recipe_runner.compiler.resolve_fit import fitted
from recipe_runner.compiler.resolve_joined import resolve_attention
from recipe_runner.compiler.resolve_memory import resolve_memory
from recipe_runner.compiler.resolve_quantization import resolve_quantization
from recipe_runner.compiler.resolve_schedule import resolve_schedule
from recipe_runner.compiler.resolve_speed import resolve_speed
from recipe_runner.compiler.resolved import Choice, Draft, ResolvedRecipe, ResolvedSource
from recipe_runner.components.base import discover, settled
from recipe_runner.components.sharding import Sharding
from recipe_runner.diagnostics import Diagnostic
from recipe_runner.plan import MachinePlan
from recipe_runner.plan.mix import rows_per_epoch
from recipe_runner.plan.serving import gpus_of_server, starts_server
from recipe_runner.recipe.schema import Recipe
from recipe_runner.recipe.sections import EvalSplit
from recipe_runner.survey import Surroundings
from recipe_runner.syntax import Document

SPARE_TOKENS = ("<|finetune_right_pad_id|>", "<|pad|>", "<pad>", "[PAD]", "<|endoftext|>", "<unk>")
"""Tokens that nothing else uses while training, in the order in which they are taken to pad."""

DEFAULT_MAX_LENGTH = 2048
"""Tokens; covers most chat data."""


def resolve(
    recipe: Recipe, machine: MachinePlan, around: Surroundings, document: Document
) -> tuple[ResolvedRecipe, tuple[Diagnostic, ...]]:
    """Decide every open value of `recipe` for `machine`, each with its reason.

    The diagnostics are of data whose format cannot be told (RR407); rules look at the rest.
    """
    first, findings = _resolved(Draft(recipe, machine, around), document)

    def again(choice: Choice) -> ResolvedRecipe:
        return _resolved(Draft(recipe, machine, around, choice=choice), document)[0]

    return fitted(recipe, first, again), findings


def _resolved(draft: Draft, document: Document) -> tuple[ResolvedRecipe, tuple[Diagnostic, ...]]:
    """The recipe with what the draft chooses."""
    draft = reduce(lambda d, decide: decide(d), _DECISIONS, draft)
    train, evaluation, draft, findings = resolve_sources(draft, document)
    rows = _training_rows(draft.recipe, train)
    per_epoch = total = None
    training = draft.recipe.training
    if rows is not None and draft.recipe.data.packing is None:
        per_epoch = _steps_per_epoch(draft.recipe, rows)
        total = math.ceil(per_epoch * training.num_train_epochs)
    if training.max_steps is not None:
        total = training.max_steps
    draft = resolve_schedule(draft, per_epoch, total)
    sharding = draft.recipe.launch.strategy
    assert isinstance(sharding, Sharding)
    resolved = ResolvedRecipe(
        recipe=draft.recipe,
        machine=draft.machine,
        around=draft.around,
        train=train,
        eval=evaluation,
        sharding=sharding,
        training_rows=rows,
        steps_per_epoch=per_epoch,
        total_steps=total,
        derived=draft.derived,
        levers=draft.levers,
    )
    return resolve_memory(resolved), findings


def _processes(draft: Draft) -> Draft:
    launch, machine = draft.recipe.launch, draft.machine
    if launch.use_cpu == "auto":
        reason = "the machine has GPUs" if machine.accelerators else "the machine has no GPU"
        draft = draft.decide("launch.use_cpu", machine.accelerators == 0, reason)
    cpu = settled(draft.recipe.launch.use_cpu)
    if launch.num_processes == "auto":
        if cpu:
            draft = draft.decide(
                "launch.num_processes", launch.num_machines, "one process per machine without GPUs"
            )
        else:
            # Without a GPU, which `use_cpu: false` may ask for, RR322 says so.
            arguments = draft.recipe.algorithm.arguments()
            taken = gpus_of_server(arguments) if starts_server(arguments) else 0
            count = max(1, machine.accelerators - taken) * launch.num_machines
            each = (
                "the machine has"
                if launch.num_machines == 1
                else f"each of {launch.num_machines} machines has"
            )
            reason = f"one process per GPU, and {each} {machine.accelerators}"
            if taken:
                reason += f", of which the vLLM server takes {taken}"
            draft = draft.decide("launch.num_processes", count, reason)
    count = settled(draft.recipe.launch.num_processes)
    if launch.strategy == "auto":
        kinds: list[type[Sharding]] = list(discover("recipe_runner.components.shardings").values())  # type: ignore[arg-type]
        spreads = draft.choice.spreads and count > 1
        plain = next(
            kind
            for kind in kinds
            if (kind.shards_weights if spreads else kind.is_default and kind.many == (count > 1))
        )
        reason = (
            f"{count} processes, and each holds the whole model" if count > 1 else "one process"
        )
        if spreads:
            why = draft.choice.spreads_because
            reason = f"{count} processes share the weights: each with its own, {why}"
        draft = draft.decide(
            "launch.strategy", plain.model_validate({"type": plain.type_name()}), reason
        )
    return draft


def _precision(draft: Draft) -> Draft:
    recipe, machine = draft.recipe, draft.machine
    cpu = settled(recipe.launch.use_cpu)
    if recipe.launch.mixed_precision == "auto":
        if cpu:
            draft = draft.decide(
                "launch.mixed_precision", "no", "float32 is exact and fast enough on a CPU"
            )
        elif machine.bf16:
            draft = draft.decide(
                "launch.mixed_precision", "bf16", f"{machine.kind} computes in bfloat16"
            )
        elif recipe.quantization is not None:
            reason = f"{machine.kind} has no bfloat16, and fp16 does not go with a quantized base"
            draft = draft.decide("launch.mixed_precision", "no", reason)
        else:
            draft = draft.decide(
                "launch.mixed_precision", "fp16", f"{machine.kind} has no bfloat16"
            )
    half = {"bf16": "bfloat16", "fp16": "float16", "no": "float32"}[
        settled(draft.recipe.launch.mixed_precision)
    ]
    if recipe.model.dtype == "auto":
        if recipe.adapter is not None or recipe.quantization is not None:
            reason = "the base is frozen, so it is loaded in the type of the computation"
            draft = draft.decide("model.dtype", half, reason)
        else:
            draft = draft.decide(
                "model.dtype",
                "float32",
                "weights that train are kept in float32; the computation is cast",
            )
    quantization = draft.recipe.quantization
    if quantization is not None:
        for field in quantization.compute_dtype_fields:
            if getattr(quantization, field) == "auto":
                draft = draft.decide(f"quantization.{field}", half, "the type of the computation")
    return draft


def _adapter(draft: Draft) -> Draft:
    adapter = draft.recipe.adapter
    if adapter is not None:
        for field, value, because in adapter.decide():
            draft = draft.decide(f"adapter.{field}", value, because)
    return draft


def _learning_rate(draft: Draft) -> Draft:
    recipe = draft.recipe
    if recipe.training.learning_rate != "auto":
        return draft
    algorithm = recipe.algorithm
    if recipe.adapter is not None:
        factor = recipe.adapter.learning_rate_factor
        rate = algorithm.recommended_learning_rate_with_adapter * factor
        reason = f"recommended for {algorithm.type} with an adapter"
        if factor != 1:
            reason += f", times {factor:g} for {recipe.adapter.type}"
    else:
        rate = algorithm.recommended_learning_rate
        reason = f"recommended for {algorithm.type} in full"
    return draft.decide("training.learning_rate", rate, reason)


def _copies(draft: Draft) -> Draft:
    recipe = draft.recipe
    cpu = settled(recipe.launch.use_cpu)
    if recipe.training.dataloader_pin_memory == "auto":
        reason = "there is no GPU to copy to" if cpu else "copies to a GPU are faster"
        draft = draft.decide("training.dataloader_pin_memory", not cpu, reason)
    return draft


def _length(draft: Draft) -> Draft:
    data = draft.recipe.data
    if data.num_proc == "auto":
        draft = draft.decide(
            "data.num_proc",
            draft.machine.cpus,
            f"one per core, and the machine has {draft.machine.cpus}",
        )
    if data.max_length != "auto":
        return draft
    model, algorithm = draft.around.model, draft.recipe.algorithm
    context = model.context_length if model else None
    answer = algorithm.answer_length if algorithm.feed == "prompts" else 0
    if context is not None and context - answer < DEFAULT_MAX_LENGTH:
        reason = "the model's context length"
        if answer:
            reason = f"the model's context length, {context}, without an answer of {answer} tokens"
        return draft.decide("data.max_length", max(1, context - answer), reason)
    return draft.decide("data.max_length", DEFAULT_MAX_LENGTH, "the default, in tokens")


def _padding(draft: Draft) -> Draft:
    """Choose a token to pad with where the tokenizer has none, or only its end of sequence."""
    tokens, facts = draft.recipe.tokenizer.special_tokens, draft.around.tokenizer
    if tokens.pad_token is not None or facts is None or not facts.tokenizer_config:
        return draft
    own = facts.special_token("pad_token")
    end = tokens.eos_token or facts.special_token("eos_token")
    if own is not None and own != end:
        return draft
    spare = next((t for t in SPARE_TOKENS if t in facts.added_tokens and t != end), None)
    if spare is None:
        return draft
    lack = "has none" if own is None else "pads with its end-of-sequence token"
    reason = f"the tokenizer {lack}, and this one is spare"
    return draft.decide("tokenizer.special_tokens.pad_token", spare, reason)


def _training_rows(recipe: Recipe, train: tuple[ResolvedSource, ...]) -> int | None:
    """Rows of an epoch, as far as they are known before the run."""
    data = recipe.data
    split = data.eval.split if isinstance(data.eval, EvalSplit) else None
    sources = [compile_source(source) for source in train]
    found = rows_per_epoch(sources, split, data.mix.strategy, data.mix.stopping_strategy)
    return None if found is None else found.total


def _steps_per_epoch(recipe: Recipe, rows: int) -> int:
    """Optimizer steps of one pass over `rows` rows."""
    training, algorithm = recipe.training, recipe.algorithm
    batch = settled(training.global_batch_size)
    if not algorithm.whole_batches:
        full = training.dataloader_drop_last
        return max(1, rows // batch if full else math.ceil(rows / batch))
    # Upstream draws whole batches of prompts, answers each several times, and trains on the
    # answers once or more. Source: `trl.trainer.utils.RepeatSampler`.
    accumulation = settled(training.gradient_accumulation_steps)
    micro_steps = rows // prompts_of_a_round(recipe) * steps_of_a_round(recipe)
    return max(1, math.ceil(micro_steps * algorithm.updates_per_row / accumulation))


def _task(draft: Draft) -> Draft:
    """What the algorithm trains is what the model is loaded for."""
    if draft.recipe.model.task != "auto":
        return draft
    algorithm = draft.recipe.algorithm
    return draft.decide("model.task", algorithm.tasks[0], f"what {algorithm.type} trains")


_DECISIONS: tuple[Callable[[Draft], Draft], ...] = (
    _task,
    resolve_continued,
    resolve_quantization,
    _processes,
    _precision,
    _adapter,
    resolve_batch,
    _learning_rate,
    _copies,
    _length,
    _padding,
    resolve_attention,
    resolve_speed,
)
