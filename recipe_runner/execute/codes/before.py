"""What can stand in the way before a run starts."""

from __future__ import annotations

from recipe_runner.diagnostics import Code

PACKAGE_MISSING = Code(
    "RR601",
    "package-missing",
    """
    ## What it means
    A package that this run needs is not installed in this Python environment.

    ## Why it matters
    The run would load a model first and fail minutes later.

    ## Example
    ```text
    recipe.yaml: RR601 package-missing: bitsandbytes is not installed, and quantization bnb_4bit needs it
    ```

    ## Instead
    Install the package into the same environment: `pip install 'recipe-runner[train]'`,
    or the single package that the message names.
    """,
)

TRACKER_MISSING = Code(
    "RR602",
    "tracker-missing",
    """
    ## What it means
    The recipe reports to a tracker whose package is not installed.

    ## Why it matters
    Metrics that somebody waits for would never arrive.
    The run directory always has them in `metrics.jsonl`, with or without a tracker.

    ## Example
    ```text
    recipe.yaml: RR602 tracker-missing: wandb is not installed, and the recipe reports to it
    ```

    ## Instead
    Install the tracker's package, or take it out of `tracking`.
    """,
)

TOO_FEW_GPUS = Code(
    "RR603",
    "too-few-gpus",
    """
    ## What it means
    The plan was made for more GPUs than this machine shows.

    ## Why it matters
    A plan for a GPU names precisions and kernels that a CPU does not have,
    and every process needs a device of its own.

    ## Example
    ```text
    recipe.yaml: RR603 too-few-gpus: the plan runs 8 processes on GPUs and this machine has 2
    ```

    ## Instead
    Run on the machine that the plan was made for, or plan for this one (leave `--machine` out).
    Where GPUs exist and are not seen, look at `nvidia-smi` and at `CUDA_VISIBLE_DEVICES`.
    """,
)

NOT_WRITABLE = Code(
    "RR604",
    "output-not-writable",
    """
    ## What it means
    The run directory, or a folder above it, cannot be written by this user.

    ## Why it matters
    A run that cannot save is lost.

    ## Example
    ```text
    /data/runs/chat: RR604 output-not-writable: /data/runs cannot be written: Permission denied
    ```

    ## Instead
    Name another `output_dir`, or change the folder's permissions.
    """,
)

DISK_SMALL = Code(
    "RR605",
    "disk-too-small",
    """
    ## What it means
    The disk of the run directory has less free space than one checkpoint and the result need.

    ## Why it matters
    The run would stop when it saves for the first time.

    ## Example
    ```text
    runs/chat: RR605 disk-too-small: 1.2 GiB are free, and a checkpoint with the result needs about 45.0 GiB
    ```

    ## Instead
    Free space, name an `output_dir` on another disk, or train an adapter, whose checkpoints are small.
    """,
)

RUN_IN_USE = Code(
    "RR606",
    "run-in-use",
    """
    ## What it means
    Another process is writing to this run directory at this moment.

    ## Why it matters
    Two runs in one directory would mix their metrics and destroy each other's checkpoints.

    ## Example
    ```text
    runs/chat: RR606 run-in-use: process 4711 on node3 is running here since 2026-03-01T09:12:44+00:00
    ```

    ## Instead
    Wait for that run, stop it, or name another `output_dir`.
    """,
)

RUN_FINISHED = Code(
    "RR607",
    "run-finished",
    """
    ## What it means
    This run directory holds a finished run.

    ## Why it matters
    A finished run is not trained further and never overwritten by accident.

    ## Example
    ```text
    runs/chat: RR607 run-finished: the run here finished at step 300 of 300; its model is in runs/chat/model
    ```

    ## Instead
    Use its result, name another `output_dir`, or pass `--overwrite` to delete it and start again.
    """,
)

RUN_UNFINISHED = Code(
    "RR608",
    "run-unfinished",
    """
    ## What it means
    This run directory holds a run that was interrupted, failed or was killed,
    and the command says not to resume.

    ## Why it matters
    Its checkpoints would be lost.

    ## Example
    ```text
    runs/chat: RR608 run-unfinished: the run here was interrupted; its newest complete checkpoint is checkpoint-200
    ```

    ## Instead
    Pass `--resume auto` to go on from there, `--overwrite` to delete it, or name another `output_dir`.
    """,
)

PLAN_CHANGED = Code(
    "RR609",
    "plan-changed",
    """
    ## What it means
    The checkpoint belongs to a plan that differs from this one in values that decide the result.

    ## Why it matters
    The libraries underneath resume all the same: a changed learning rate is ignored,
    and a changed batch size or seed skips other rows than those that were seen.
    The result would belong to neither recipe.

    ## Example
    ```text
    runs/chat: RR609 plan-changed: 1 value differs from the run in this directory
      arguments.learning_rate: 0.0002 there, 0.0001 here
    ```

    ## Instead
    Put the values back to resume, name another `output_dir`, or pass `--overwrite` to start again.
    Values that only concern the machine, logging or saving may change between resumes.
    """,
)

NOT_A_RUN = Code(
    "RR610",
    "not-a-run-directory",
    """
    ## What it means
    The output directory has files in it and was not made by recipe_runner.

    ## Why it matters
    Writing there would mix a run with other files, and `--overwrite` would delete them.

    ## Example
    ```text
    /home/ada: RR610 not-a-run-directory: /home/ada has files in it and no run.json of ours
    ```

    ## Instead
    Name an `output_dir` that does not exist or is empty.
    """,
)

CHECKPOINT_INCOMPLETE = Code(
    "RR611",
    "checkpoint-incomplete",
    """
    ## What it means
    The checkpoint that the command names lacks a file, or a file in it is cut short.

    ## Why it matters
    Without its optimizer state a checkpoint resumes without a word and trains to other losses;
    with cut weights the run ends in an error.

    ## Example
    ```text
    runs/chat/checkpoints/checkpoint-200: RR611 checkpoint-incomplete: optimizer.pt is missing
    ```

    ## Instead
    Pass `--resume auto`, which takes the newest complete checkpoint of the run directory.
    """,
)

UNTESTED_VERSION = Code(
    "RR612",
    "untested-version",
    """
    ## What it means
    An installed library has another version than the one that recipes are checked against.

    ## Why it matters
    Argument names and defaults change between releases; an argument may be refused.

    ## Example
    ```text
    recipe.yaml: RR612 untested-version: trl 1.18.0 is installed; recipes are checked against 1.16.0
    ```

    ## Instead
    Install the versions of `constraints.txt`, or go on and read the losses with care.
    """,
    severity="warning",
)

NOT_A_PLAN = Code(
    "RR613",
    "not-a-plan",
    """
    ## What it means
    The file `plan.json` of the run directory cannot be read as a plan of this version.

    ## Why it matters
    Workers run from that file and from nothing else.

    ## Example
    ```text
    runs/chat/plan.json: RR613 not-a-plan: a plan of version 1 is expected
    ```

    ## Instead
    Start the run again with `recipe-run train` and the recipe; never edit a plan by hand.
    """,
)

TARGET_NOT_ALLOWED = Code(
    "RR614",
    "target-not-allowed",
    """
    ## What it means
    The plan asks to build a class that is not on the list of classes a plan may name.

    ## Why it matters
    Plans and recipes are shared: they may compose known classes, never import arbitrary ones.

    ## Example
    ```text
    recipe.yaml: RR614 target-not-allowed: the plan names transformers:PushToHubMixin
    ```

    ## Instead
    Compile the plan from its recipe again; a plan that was edited by hand is not supported.
    """,
)

WRONG_VERSION = Code(
    "RR615",
    "wrong-version",
    """
    ## What it means
    The plan is for certain versions of a package, and another one is installed.
    This is so for trainers that are experimental upstream.

    ## Why it matters
    Such a trainer may take other arguments, or compute another loss, in another release.

    ## Example
    ```text
    recipe.yaml: RR615 wrong-version: trl 1.17.2 is installed, and the plan is for trl >=1.16,<1.17
    ```

    ## Instead
    Install a version that the plan names, or compile the recipe with a recipe_runner that
    knows the installed one.
    """,
)

NOT_TRACED = Code(
    "RR618",
    "not-traced",
    """
    ## What it means
    `recipe-run plan --trace` could not follow a pass of the model on tensors without content:
    it has pictures, code of its own that looks at numbers, or no list of layers.

    ## Why it matters
    The plan's activations then are those of the formula, or not there where it does not know
    the model.

    ## Example
    ```text
    recipe.yaml: RR618 not-traced: org/model-id cannot be traced: the pictures of a row have no one size
    ```

    ## Instead
    Leave `--trace` out. A run of a few steps (`--set training.max_steps=3`) notes in `run.json`
    what it took.
    """,
    "warning",
)

BEFORE: tuple[Code, ...] = (
    PACKAGE_MISSING,
    TRACKER_MISSING,
    TOO_FEW_GPUS,
    NOT_WRITABLE,
    DISK_SMALL,
    RUN_IN_USE,
    RUN_FINISHED,
    RUN_UNFINISHED,
    PLAN_CHANGED,
    NOT_A_RUN,
    CHECKPOINT_INCOMPLETE,
    UNTESTED_VERSION,
    NOT_A_PLAN,
    TARGET_NOT_ALLOWED,
    WRONG_VERSION,
    NOT_TRACED,
)
