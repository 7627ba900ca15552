"""What can end a run."""

from __future__ import annotations

from recipe_runner.diagnostics import Code

WORKER_FAILED = Code(
    "RR701",
    "worker-failed",
    """
    ## What it means
    One of the processes of the run ended without saying why.

    ## Why it matters
    A process that vanishes was mostly killed from outside, by the system for lack of memory
    or by a scheduler; the others cannot go on without it.

    ## Example
    ```text
    recipe.yaml: RR701 worker-failed: rank 1 was killed by signal 9 at step 120
    ```

    ## Instead
    Read the end of the log that the message names.
    After signal 9 look at the machine's memory (`dmesg`), then resume with `--resume auto`.
    """,
)

OUT_OF_MEMORY = Code(
    "RR702",
    "out-of-memory",
    """
    ## What it means
    The model, its gradients, the optimizer and the batch do not fit into memory.

    ## Why it matters
    The run cannot go on; checkpoints saved before are kept.

    ## Example
    ```text
    recipe.yaml: RR702 out-of-memory: the GPU ran out of memory with 8 sequences of up to 4096 tokens per device
    ```

    ## Instead
    In this order: a smaller `training.per_device_train_batch_size` (the global batch stays the same),
    gradient checkpointing, a smaller `data.max_length`, an adapter, 4-bit quantization, more devices.
    """,
)

NON_FINITE_LOSS = Code(
    "RR703",
    "non-finite-loss",
    """
    ## What it means
    The loss, or a weight that was about to be saved or exported, is no finite number.

    ## Why it matters
    Every later step would be wasted, and a checkpoint saved from here on would be worthless.
    The run stops and keeps the last good checkpoint.

    ## Example
    ```text
    recipe.yaml: RR703 non-finite-loss: the loss is nan at step 132; the last good checkpoint is checkpoint-100
    ```

    ## Instead
    Lower `training.learning_rate`, lengthen the warm-up, keep `max_grad_norm` at 1,
    use bf16 in place of fp16, and look at the rows that were trained on in these steps.
    """,
)

LOSS_TOO_HIGH = Code(
    "RR704",
    "loss-too-high",
    """
    ## What it means
    The loss stayed above the threshold of the watchdog that the recipe asks for.

    ## Why it matters
    A run that has diverged costs as much as one that learns.

    ## Example
    ```text
    recipe.yaml: RR704 loss-too-high: the loss was above 10 for 3 logged steps, 11.9 at step 60
    ```

    ## Instead
    Lower `training.learning_rate`, or raise the watchdog's threshold where such losses are expected.
    """,
)

DISK_FULL = Code(
    "RR705",
    "disk-full",
    """
    ## What it means
    The disk of the run directory filled up while something was saved.

    ## Why it matters
    What was being written is incomplete; `--resume auto` skips it and takes an older checkpoint.

    ## Example
    ```text
    runs/chat: RR705 disk-full: no space left on the disk of runs/chat
    ```

    ## Instead
    Free space and resume, lower `training.save_total_limit`, or name an `output_dir` on another disk.
    """,
)

MODEL_NOT_FOUND = Code(
    "RR706",
    "model-not-found",
    """
    ## What it means
    A model or tokenizer has no folder of that name here and no repository of that name on the hub,
    or lacks the files that are needed.

    ## Why it matters
    Nothing can be trained without them.

    ## Example
    ```text
    recipe.yaml: RR706 model-not-found: ./models/qwen has no config.json
    ```

    ## Instead
    Correct the name or path. For gated or private repositories log in with `hf auth login`.
    """,
)

HUB_UNREACHABLE = Code(
    "RR707",
    "hub-unreachable",
    """
    ## What it means
    A file has to be downloaded and the hub cannot be reached, or offline mode is on.

    ## Why it matters
    The run needs the file and it is not in the local cache.

    ## Example
    ```text
    recipe.yaml: RR707 hub-unreachable: Qwen/Qwen3-0.6B is not in the cache and the hub cannot be reached
    ```

    ## Instead
    Check the connection and `HF_HUB_OFFLINE`, download beforehand with `hf download`,
    or name a local folder.
    """,
)

WEIGHTS_DAMAGED = Code(
    "RR708",
    "weights-damaged",
    """
    ## What it means
    A safetensors file is cut short or is no safetensors file.

    ## Why it matters
    Weights cannot be read from it. Git LFS pointers and broken downloads look like this.

    ## Example
    ```text
    recipe.yaml: RR708 weights-damaged: the weights of ./models/qwen cannot be read: header too large
    ```

    ## Instead
    Download the model again, or fetch the real files with `git lfs pull`.
    """,
)

ADAPTER_TARGETS = Code(
    "RR709",
    "adapter-targets-missing",
    """
    ## What it means
    No module of the model has a name that the adapter's `target_modules` names.

    ## Why it matters
    The adapter would have nothing to adapt.

    ## Example
    ```text
    recipe.yaml: RR709 adapter-targets-missing: target_modules names query_proj, which Qwen3ForCausalLM does not have
    ```

    ## Instead
    Use `target_modules: all-linear`, or one of the module names that the message lists.
    """,
)

COMMUNICATION_FAILED = Code(
    "RR710",
    "communication-failed",
    """
    ## What it means
    The processes of the run lost each other: gloo or NCCL reported an error or a timeout.

    ## Why it matters
    Gradients can no longer be averaged. Often another process failed first.

    ## Example
    ```text
    recipe.yaml: RR710 communication-failed: rank 0 lost the connection to its peers
    ```

    ## Instead
    Look for an earlier failure in the other ranks' logs. Where there is none, check the network
    interface (`GLOO_SOCKET_IFNAME`, `NCCL_SOCKET_IFNAME`) and run with `NCCL_DEBUG=INFO`.
    """,
)

NO_SAFETENSORS = Code(
    "RR711",
    "no-safetensors",
    """
    ## What it means
    The model has weights in pickle files only (`pytorch_model.bin`), and no safetensors.

    ## Why it matters
    Reading a pickle can run code from it; weights are read from safetensors only.

    ## Example
    ```text
    recipe.yaml: RR711 no-safetensors: ./models/old has no safetensors weights
    ```

    ## Instead
    Take a revision with safetensors, or convert the model once with
    `AutoModelForCausalLM.from_pretrained(...).save_pretrained(...)` where its origin is trusted.
    """,
)

PROCESSES_APART = Code(
    "RR712",
    "processes-apart",
    """
    ## What it means
    The plan has several processes, and this one is not connected to the others.

    ## Why it matters
    Each process would train alone on the rows of all, with a smaller batch than the plan says,
    and write its own result; the losses would look plausible.

    ## Example
    ```text
    recipe.yaml: RR712 processes-apart: the plan has 2 processes, and this one is connected to 1
    ```

    ## Instead
    Start the run with `recipe-run train`, which launches all processes with the plan's own
    accelerate configuration.
    """,
)

PATTERN_FINDS_NOTHING = Code(
    "RR713",
    "pattern-finds-nothing",
    """
    ## What it means
    A pattern in `model.freeze` or `model.trainable_parameters` finds no parameter of the model,
    or together they leave none to train.

    ## Why it matters
    A pattern that finds nothing has no effect: weights train that the recipe says are frozen.

    ## Example
    ```text
    recipe.yaml: RR713 pattern-finds-nothing: model.freeze has 'embed_token$', which finds none of the 291 parameters
    ```

    ## Instead
    Write regular expressions that occur in the model's own parameter names, such as
    `embed_tokens` or `layers\\.[0-3]\\.`.
    """,
)

WEIGHTS_MISSING = Code(
    "RR714",
    "weights-missing",
    """
    ## What it means
    The checkpoint of the model does not hold all of the model's weights.

    ## Why it matters
    Upstream draws the missing ones at random and goes on: the run would train, and the model
    would have forgotten what it knew.

    ## Example
    ```text
    recipe.yaml: RR714 weights-missing: org/model-id has no weights for model.layers.32.mlp.up_proj.weight and 8 more
    ```

    ## Instead
    Take a checkpoint that is whole. With `model.config_overrides`, keep the shape of the model,
    or set `model.random_init` to start from random weights.
    """,
)

VALUE_REFUSED = Code(
    "RR715",
    "value-refused",
    """
    ## What it means
    A library refuses a value of the recipe, and only it can tell: a value of the model's
    configuration, an attention kernel, an option of the optimizer or the schedule.

    ## Why it matters
    The run cannot start, or would start without what the recipe asks for.

    ## Example
    ```text
    recipe.yaml: RR715 value-refused: training.torch_compile_backend is refused: 'FAST' is not a valid DynamoBackend
    ```

    ## Instead
    Correct the value that the message names.
    """,
)

NOTHING_TRAINED = Code(
    "RR716",
    "nothing-trained",
    """
    ## What it means
    Training ended without a single optimizer step.

    ## Why it matters
    The result would be the model that the run started from.

    ## Example
    ```text
    recipe.yaml: RR716 nothing-trained: no optimizer step was taken: 64 rows do not fill a batch of 128
    ```

    ## Instead
    Take a smaller batch, turn off `training.dataloader_drop_last`, or train on more rows.
    """,
)

INTERNAL = Code(
    "RR901",
    "internal-error",
    """
    ## What it means
    The run failed in a way that recipe_runner does not know.

    ## Why it matters
    It is a bug of ours, or a failure of a library that deserves a code of its own.

    ## Example
    ```text
    recipe.yaml: RR901 internal-error: KeyError: 'text'; the traceback is at the end of runs/chat/train.log
    ```

    ## Instead
    Report it with the run directory's `plan.json` and `train.log`; neither holds secrets.
    """,
)

DURING: tuple[Code, ...] = (
    WORKER_FAILED,
    OUT_OF_MEMORY,
    NON_FINITE_LOSS,
    LOSS_TOO_HIGH,
    DISK_FULL,
    MODEL_NOT_FOUND,
    HUB_UNREACHABLE,
    WEIGHTS_DAMAGED,
    ADAPTER_TARGETS,
    COMMUNICATION_FAILED,
    NO_SAFETENSORS,
    PROCESSES_APART,
    PATTERN_FINDS_NOTHING,
    WEIGHTS_MISSING,
    VALUE_REFUSED,
    NOTHING_TRAINED,
    INTERNAL,
)
