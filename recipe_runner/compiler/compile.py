"""From a resolved recipe to a plan. Pure: it reads nothing and knows no component by name."""

import hashlib
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from recipe_runner.compiler.compile_cost import compile_cost
from recipe_runner.compiler.compile_data import compile_data
from recipe_runner.compiler.compile_launch import compile_launch
from recipe_runner.compiler.compile_optimizer import compile_optimizer
from recipe_runner.compiler.compile_others import compile_models, compile_rewards
from recipe_runner.compiler.compile_parameters import compile_parameters
from recipe_runner.compiler.compile_speed import compile_speed
from recipe_runner.compiler.compile_trainable import parts_of
from recipe_runner.compiler.optimizers import optimizer_of
from recipe_runner.compiler.packages import required
from recipe_runner.compiler.resolve_joined import attention_of
from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.components.adapter import Setting
from recipe_runner.components.base import settled
from recipe_runner.plan import (
    AdapterStart,
    BaseAdapterPlan,
    Call,
    ModelPlan,
    MonitorPlan,
    OutputFile,
    OutputPlan,
    Plan,
    ScorePlan,
    StepsPlan,
    Task,
    TokenizerPlan,
)
from recipe_runner.plan.serving import starts_server
from recipe_runner.recipe.schema import Recipe
from recipe_runner.recipe.training import Training
from recipe_runner.survey.survey import BASE, CONTINUED
from recipe_runner.upstream import fields

_AUTO_CLASS: Mapping[Task, str] = {
    "causal_lm": "transformers:AutoModelForCausalLM",
    "image_text_to_text": "transformers:AutoModelForImageTextToText",
    "sequence_classification": "transformers:AutoModelForSequenceClassification",
    "token_classification": "transformers:AutoModelForTokenClassification",
}

_ADAPTED_AS: Mapping[Task, str] = {
    "causal_lm": "causal_lm",
    "image_text_to_text": "causal_lm",
    "sequence_classification": "seq_cls",
    "token_classification": "token_cls",
}
"""PEFT's word for what a model does: one that sees answers as any language model."""

_SKIPPED = "llm_int8_skip_modules"

RUN_FILES = (
    OutputFile("recipe.yaml", "the recipe as written"),
    OutputFile("resolved.yaml", "the recipe with every value set"),
    OutputFile("plan.json", "this plan"),
    OutputFile("environment.json", "versions, machine, command line"),
    OutputFile("run.json", "state of the run"),
    OutputFile("data.json", "what became of the rows of each data set"),
    OutputFile("metrics.jsonl", "metrics, one JSON object a line"),
    OutputFile("train.log", "everything that was logged"),
    OutputFile("checkpoints/", "checkpoints to resume from"),
)


def compile_plan(resolved: ResolvedRecipe, *, text: str, path: str, run_dir: str) -> Plan:
    """Compile the plan of a run. `text` is the recipe as written, `run_dir` an absolute path."""
    recipe = resolved.recipe
    adapter = recipe.adapter.compile(_setting(resolved)) if recipe.adapter else None
    launch = compile_launch(resolved, run_dir)
    files = list(RUN_FILES)
    if launch.accelerate_config is not None:
        files.insert(3, OutputFile("accelerate.yaml", "accelerate's configuration"))
    if starts_server(recipe.algorithm.arguments()):
        files.append(OutputFile("vllm-server.log", "what the vLLM server printed"))
    if recipe.rewards:
        files.append(
            OutputFile("completions.jsonl", "answers and what each was worth, as they come")
        )
    files.append(
        OutputFile(
            "model/", "the adapter" if adapter else "the trained model, tokenizer and model card"
        )
    )
    cost = compile_cost(resolved)
    return Plan(
        name=recipe.name or PurePath(path).stem,
        recipe_path=path,
        recipe_sha256=hashlib.sha256(text.encode()).hexdigest(),
        algorithm=recipe.algorithm.type,
        seed=recipe.seed,
        model=_model(resolved),
        tokenizer=_tokenizer(resolved),
        data=compile_data(resolved),
        trainer=Call(recipe.algorithm.trainer, dict(recipe.algorithm.trainer_arguments())),
        arguments=_arguments(resolved, run_dir),
        steps=_steps(resolved),
        monitor=_monitor(resolved),
        launch=launch,
        machine=resolved.machine,
        outputs=OutputPlan(run_dir, tuple(files)),
        quantization=_quantization(recipe),
        adapter=adapter,
        description=recipe.description,
        tags=recipe.tags,
        requires=required(resolved),
        derived=resolved.derived,
        golden=resolved.around.golden.path if resolved.around.golden else None,
        feed=recipe.algorithm.feed,
        models=compile_models(resolved),
        rewards=compile_rewards(resolved),
        adapter_start=_start(resolved),
        parameters=compile_parameters(resolved),
        optimizer=compile_optimizer(recipe.training),
        speed=compile_speed(resolved, cost),
        cost=cost,
    )


def _start(resolved: ResolvedRecipe) -> AdapterStart | None:
    adapter, saved = resolved.recipe.adapter, resolved.around.adapters.get(CONTINUED)
    if saved is not None:
        return AdapterStart(weights=saved.path)
    if adapter is None or not (adapter.rows_to_read or adapter.changes_base):
        return None
    return AdapterStart(adapter.rows_to_read, adapter.changes_base)


def _setting(resolved: ResolvedRecipe) -> Setting:
    task: Task = settled(resolved.recipe.model.task)
    tokenizer = resolved.around.tokenizer
    assert tokenizer is not None, "a missing tokenizer is an error that ends before compiling"
    return Setting(_ADAPTED_AS[task], resolved.total_steps, tokenizer.path)


def _quantization(recipe: Recipe) -> Call | None:
    """The quantization; the head of a classifier starts at random, so it trains, and stays as it is."""
    if recipe.quantization is None:
        return None
    call = recipe.quantization.compile()
    if recipe.algorithm.num_labels is None or call.arguments.get(_SKIPPED):
        return call
    return Call(call.target, {**call.arguments, _SKIPPED: ["score", "classifier"]})


def _model(resolved: ResolvedRecipe) -> ModelPlan:
    model, facts = resolved.recipe.model, resolved.around.model
    assert facts is not None, "a missing model is an error that ends before compiling"
    labels = resolved.recipe.algorithm.num_labels
    return ModelPlan(
        name_or_path=facts.path,
        auto_class=_AUTO_CLASS[settled(model.task)],
        load={
            "revision": model.revision,
            "dtype": settled(model.dtype),
            "attn_implementation": attention_of(resolved.recipe),
            "trust_remote_code": model.trust_remote_code,
            **({"num_labels": labels} if labels is not None else {}),
        },
        local=facts.local,
        random_init=model.random_init,
        config_overrides=model.config_overrides,
        freeze=model.freeze,
        trainable_parameters=model.trainable_parameters,
        trainable=parts_of(model),
        adapter=_base_adapter(resolved),
    )


def _base_adapter(resolved: ResolvedRecipe) -> BaseAdapterPlan | None:
    wanted, facts = resolved.recipe.model.adapter, resolved.around.adapters.get(BASE)
    if wanted is None:
        return None
    assert facts is not None, "a missing adapter is an error that ends before compiling"
    return BaseAdapterPlan(facts.path, wanted.merge)


def _tokenizer(resolved: ResolvedRecipe) -> TokenizerPlan:
    tokenizer, facts, template = (
        resolved.recipe.tokenizer,
        resolved.around.tokenizer,
        resolved.around.template,
    )
    assert facts is not None, "a missing tokenizer is an error that ends before compiling"
    assert template is not None, "a missing template is an error that ends before compiling"
    own = tokenizer.name_or_path is None
    special = tokenizer.special_tokens.model_dump(exclude_none=True)
    return TokenizerPlan(
        name_or_path=facts.path,
        load={
            "revision": tokenizer.revision or (resolved.recipe.model.revision if own else None),
            "trust_remote_code": resolved.recipe.model.trust_remote_code,
        },
        special_tokens=special,
        add_tokens=tokenizer.add_tokens,
        resize_embeddings_multiple_of=tokenizer.resize_embeddings_multiple_of,
        chat_template=template.text,
        chat_template_source=template.source,
        chat_template_kwargs=tokenizer.chat_template_kwargs,
        padding_side="left" if resolved.recipe.algorithm.pads_left else "right",
    )


def _steps(resolved: ResolvedRecipe) -> StepsPlan:
    training = resolved.recipe.training
    return StepsPlan(
        global_batch_size=settled(training.global_batch_size),
        per_device=settled(training.per_device_train_batch_size),
        accumulation=settled(training.gradient_accumulation_steps),
        processes=settled(resolved.recipe.launch.num_processes),
        per_epoch=resolved.steps_per_epoch,
        total=resolved.total_steps,
    )


def _monitor(resolved: ResolvedRecipe) -> MonitorPlan:
    training, score = resolved.recipe.training, resolved.recipe.score
    watchdog = training.loss_watchdog
    return MonitorPlan(
        early_stopping_patience=training.early_stopping_patience,
        early_stopping_threshold=training.early_stopping_threshold,
        loss_watchdog_threshold=watchdog.threshold if watchdog else None,
        loss_watchdog_patience=watchdog.patience
        if watchdog
        else MonitorPlan.loss_watchdog_patience,
        score=ScorePlan(**score.model_dump()) if score else None,
    )


def _arguments(resolved: ResolvedRecipe, run_dir: str) -> Call:
    """All arguments of the trainer; those that other sections decide come last."""
    recipe = resolved.recipe
    training, data, launch = recipe.training, recipe.data, recipe.launch
    algorithm = recipe.algorithm
    assert algorithm.upstream is not None
    known = fields(algorithm.upstream)
    precision = settled(launch.mixed_precision)
    arguments: dict[str, Any] = {
        **training.arguments(),
        **algorithm.arguments(),
        "output_dir": f"{run_dir}/checkpoints",
        "max_steps": training.max_steps if training.max_steps is not None else -1,
        **{name: value for name, value in _of_rows(resolved).items() if name in known},
        "save_steps": _interval(training.save_steps, training.saves_per_epoch, training),
        "eval_steps": _interval(training.eval_steps, training.evals_per_epoch, training),
        # One process has no process group, and upstream fails when it is asked for one.
        "ddp_backend": training.ddp_backend if settled(launch.num_processes) > 1 else None,
        "bf16": precision == "bf16",
        "fp16": precision == "fp16",
        "use_cpu": settled(launch.use_cpu),
        "seed": recipe.seed,
        "data_seed": recipe.seed,
        "run_name": recipe.name or None,
        "report_to": [tracker.type for tracker in recipe.tracking] or "none",
        "logging_nan_inf_filter": False,
        "disable_tqdm": True,
    }
    if optimizer_of(training.optim).ours:
        # Transformers refuses a name that it does not know; `optimizer` of the plan has ours.
        arguments.update(optim="adamw_torch", optim_args=None)
    # A stream has no sampler: its order is its own.
    if algorithm.fixed_order or (not data.shuffle and not data.streaming):
        arguments["train_sampling_strategy"] = "sequential"
    for tracker in recipe.tracking:
        arguments.update(tracker.training_arguments())
    if recipe.hub is not None:
        arguments.update(
            push_to_hub=True,
            hub_model_id=recipe.hub.hub_model_id,
            hub_private_repo=recipe.hub.private,
            hub_strategy=recipe.hub.strategy,
        )
    return Call(algorithm.upstream, arguments)


def _of_rows(resolved: ResolvedRecipe) -> dict[str, Any]:
    """What upstream's trainers are told of rows, each of the arguments that some of them lack."""
    recipe = resolved.recipe
    # A row that is a prompt has its answer behind it when it is trained on.
    whole = recipe.algorithm.feed == "prompts"
    length, answer = settled(recipe.data.max_length), recipe.algorithm.answer_length if whole else 0
    # Longer prompts do not reach the trainer, so this cuts none; some algorithms turn it off.
    limited = whole and "max_prompt_length" not in recipe.algorithm.arguments()
    return {
        "max_length": length + answer,
        **({"max_prompt_length": length} if limited else {}),
        # Rows reach the trainer cut; this is what it would do on its own.
        "truncation_mode": "keep_start",
        # They reach it packed as well: `data.packing` of the plan says how.
        "packing": False,
        "eval_packing": False,
        # Trainers that draw prompts shuffle on their own; for others the sampler does.
        **({"shuffle_dataset": recipe.data.shuffle} if recipe.algorithm.generates else {}),
        "chat_template_kwargs": recipe.tokenizer.chat_template_kwargs,
        "reward_weights": [reward.weight for reward in recipe.rewards] or None,
    }


def _interval(steps: int | None, per_epoch: int | None, training: Training) -> float | int | None:
    """Steps between two events, or a fraction of all steps where their number is not known.

    Upstream takes a number of 1 or more as steps and one below 1 as a fraction, so a
    fraction of exactly 1 is never written.
    """
    if steps is not None or per_epoch is None:
        return steps
    return min(1 / (per_epoch * training.num_train_epochs), 0.999)
