"""The training section: transformers' own names, and a few of ours.

Ours are `global_batch_size`, `warmup_ratio`, `saves_per_epoch`, `evals_per_epoch`,
`early_stopping_*` and `loss_watchdog`. A value of "auto" is decided by `resolve`.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, Strict

from recipe_runner.components.base import OWN, OrAuto, Spec, Strings

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Index = Annotated[int, Field(ge=0)]
Beta = Annotated[float, Field(ge=0, lt=1)]
Interval = Literal["no", "steps", "epoch"]


class LossWatchdog(Spec):
    """Stops a run whose loss has gone astray."""

    threshold: Positive
    """The run stops while the logged loss stays above this."""
    patience: Count = 3
    """Logged steps in a row that must be above it."""


class ParameterGroup(Spec):
    """Parameters that train at a learning rate of their own."""

    pattern: Annotated[str, Field(min_length=1)]
    """Regular expression; parameters whose name it finds are in the group, unless an earlier one has them."""
    learning_rate: Positive | None = None
    """Their peak learning rate, which follows the schedule in proportion; null is `training.learning_rate`."""
    weight_decay: NonNegative | None = None
    """Decay of their weights; null is `training.weight_decay`."""


class Training(Spec):
    """Optimization, evaluation, saving and logging."""

    # Batches and duration
    global_batch_size: Annotated[OrAuto[Count], OWN] = "auto"
    """Sequences per optimizer step over all processes; accumulation is derived from it, so it holds on any hardware."""
    per_device_train_batch_size: OrAuto[Count] = "auto"
    """Sequences per process and forward pass; `auto` is up to 8, as many as fit."""
    gradient_accumulation_steps: OrAuto[Count] = "auto"
    """Forward passes per optimizer step; `auto` follows from the global batch."""
    per_device_eval_batch_size: OrAuto[Count] = "auto"
    """Sequences per process when evaluating; `auto` is the training one."""
    num_train_epochs: Positive = 3.0
    """Passes over the training rows, where `max_steps` is not given."""
    max_steps: Annotated[int, Field(ge=1)] | None = None
    """Optimizer steps; overrides `num_train_epochs`."""

    # Optimizer and schedule
    learning_rate: OrAuto[Positive] = "auto"
    """Peak learning rate; `auto` is the algorithm's recommendation, about ten times higher with an adapter."""
    lr_scheduler_type: Literal[
        "cosine",
        "linear",
        "constant",
        "constant_with_warmup",
        "polynomial",
        "inverse_sqrt",
        "cosine_with_restarts",
        "cosine_with_min_lr",
        "warmup_stable_decay",
        "reduce_lr_on_plateau",
    ] = "cosine"
    """Course of the learning rate after the warm-up."""
    lr_scheduler_kwargs: dict[str, JsonValue] = Field(default_factory=dict)
    """Options of the schedule, such as `min_lr_rate` of `cosine_with_min_lr`."""
    warmup_ratio: Annotated[Annotated[float, Field(ge=0, lt=1)] | None, OWN] = None
    """Fraction of the steps over which the learning rate rises; null leaves it to `warmup_steps`."""
    warmup_steps: OrAuto[Index] = "auto"
    """Steps over which the learning rate rises; `auto` is 3% of all steps."""
    optim: str = "adamw_torch_fused"
    """Optimizer, by transformers' name, or `muon`."""
    optim_args: Annotated[str, Field(pattern=r"^[^=,]+=[^=,]+(,[^=,]+=[^=,]+)*$")] | None = None
    """Options of the optimizer, as `key=value` pairs joined by commas."""
    optim_target_modules: str | Strings | None = None
    """Modules of low-rank optimizers such as GaLore."""
    weight_decay: NonNegative = 0.0
    """Decay of the weights, decoupled from the gradient."""
    parameter_groups: Annotated[Annotated[tuple[ParameterGroup, ...], Strict(False)], OWN] = ()
    """Groups of parameters with rates of their own; the first that finds a parameter has it."""
    loraplus_lr_ratio: Annotated[Annotated[float, Field(ge=1)] | None, OWN] = None
    """LoRA+ (arXiv 2402.12354): learning rate of the B matrices as a multiple of `learning_rate`; 16 is usual."""
    loraplus_lr_embedding: Annotated[Positive, OWN] = 1e-6
    """Learning rate of adapted embeddings with LoRA+."""
    adam_beta1: Beta = 0.9
    """Decay of the gradient's running mean."""
    adam_beta2: Beta = 0.999
    """Decay of the running mean of its square; 0.95 to 0.98 is usual for language models."""
    adam_epsilon: Positive = 1e-8
    """Smallest denominator of the update."""
    max_grad_norm: NonNegative = 1.0
    """Gradients longer than this are scaled down; 0 turns it off."""
    label_smoothing_factor: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the target probability that is spread over all tokens."""
    neftune_noise_alpha: Positive | None = None
    """Noise on the embeddings (arXiv 2310.05914); 5 is usual."""
    average_tokens_across_devices: bool = True
    """Average the loss over the tokens of all processes, so that it does not depend on their number."""

    # Memory and speed
    activation_checkpointing: OrAuto[bool] = "auto"
    """Recompute activations in the backward pass: less memory, slower; `auto` is the fastest way that fits a GPU."""
    activation_checkpointing_kwargs: dict[str, JsonValue] = Field(default_factory=dict)
    """How: `every_n_layers: 2`, `selective: true` (but attention) or `offload: true` (inputs in the host's memory)."""
    bf16_full_eval: bool = False
    """Evaluate with bfloat16 weights."""
    tf32: bool | None = None
    """Multiply float32 matrices in TensorFloat-32; null leaves PyTorch's setting."""
    torch_compile: bool = False
    """Compile the model; repays its minutes on long runs only."""
    torch_compile_backend: str | None = None
    """Compiler; null is inductor."""
    torch_compile_mode: str | None = None
    """Mode of the compiler, such as `reduce-overhead`."""
    use_liger_kernel: bool = False
    """Fused Triton kernels of the liger-kernel package."""
    liger_kernel_config: dict[str, bool] | None = None
    """Which of them."""
    torch_empty_cache_steps: Count | None = None
    """Empty the device's memory cache every so many steps: slower, less fragmentation."""
    train_sampling_strategy: Literal[
        "random", "sequential", "group_by_length", "batch_rebalance"
    ] = "random"
    """How rows are put into batches; `group_by_length` pads less and orders rows less freely."""
    dataloader_num_workers: Index = 0
    """Processes that read prepared rows; 0 reads them in the training process, which suits memory-mapped rows."""
    dataloader_prefetch_factor: Count | None = None
    """Batches that each of them reads ahead."""
    dataloader_persistent_workers: bool = False
    """Keep them between epochs."""
    dataloader_pin_memory: OrAuto[bool] = "auto"
    """Page-locked batches for faster copies to a GPU; `auto` is on with GPUs."""
    dataloader_drop_last: bool = False
    """Leave out the last batch where it is not full."""
    ddp_find_unused_parameters: bool | None = None
    """Let DDP look for parameters without a gradient; null leaves transformers' choice."""
    ddp_bucket_cap_mb: Count | None = None
    """Size of DDP's gradient buckets, in MB."""
    ddp_backend: Literal["nccl", "gloo", "mpi", "ccl"] | None = None
    """Communication library; null is nccl on GPUs and gloo on CPU."""
    ddp_timeout: Count = 1800
    """Seconds after which a process gives up waiting for the others."""

    # Evaluation
    eval_strategy: OrAuto[Interval] = "auto"
    """When to evaluate; `auto` is every epoch where there are evaluation rows, and never otherwise."""
    eval_steps: Count | None = None
    """Steps between evaluations, with `eval_strategy: steps`."""
    evals_per_epoch: Annotated[Count | None, OWN] = None
    """Evaluations per epoch, instead of the two above."""
    eval_delay: NonNegative = 0
    """Epochs or steps before the first evaluation."""
    eval_on_start: bool = False
    """Evaluate before the first step too."""
    load_best_model_at_end: OrAuto[bool] = "auto"
    """Keep the checkpoint with the best metric and end with it; `auto` is on where both fall together."""
    metric_for_best_model: OrAuto[str] = "auto"
    """Metric that decides which checkpoint is best; `auto` is the loss, or the reward of answers that are judged."""
    greater_is_better: OrAuto[bool] = "auto"
    """Whether a higher metric is better; `auto` is no for losses and yes for others."""
    early_stopping_patience: Annotated[Count | None, OWN] = None
    """Stop after so many evaluations without improvement."""
    early_stopping_threshold: Annotated[NonNegative, OWN] = 0.0
    """Smallest change that counts as an improvement."""
    loss_watchdog: Annotated[LossWatchdog | None, OWN] = None
    """Stop when the loss stays too high."""

    # Saving and logging
    save_strategy: OrAuto[Interval] = "auto"
    """When to save a checkpoint; `auto` follows the evaluations, or is every 500 steps without them."""
    save_steps: Count | None = None
    """Steps between checkpoints, with `save_strategy: steps`."""
    saves_per_epoch: Annotated[Count | None, OWN] = None
    """Checkpoints per epoch, instead of the two above."""
    save_total_limit: Count | None = 3
    """Checkpoints to keep; null keeps all."""
    save_only_model: bool = False
    """Leave out the optimizer's state: smaller checkpoints that cannot be resumed."""
    logging_steps: Count = 10
    """Optimizer steps between log lines."""
    logging_first_step: bool = True
    """Log the first step too."""
    full_determinism: bool = False
    """Only deterministic algorithms: slower, the same result each time on the same hardware."""

    def arguments(self) -> dict[str, Any]:
        """The fields that keep transformers' name, with their values, as JSON values."""
        ours = {name for name, field in type(self).model_fields.items() if OWN in field.metadata}
        return self.model_dump(mode="json", exclude=ours)
