"""Turns what libraries raise into diagnostics; what is not known here is a bug of ours (RR901).

Libraries raise few types of their own, so their messages are looked at where the type
says too little. Each pattern below is of a message seen on the supported versions.
"""

from __future__ import annotations

import contextlib
import errno
import re
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from recipe_runner.diagnostics import Diagnostic, DiagnosticError
from recipe_runner.execute.codes import before, during
from recipe_runner.execute.fault import finding
from recipe_runner.plan import Plan

_RESUME = "checkpoints saved before are kept: --resume auto goes on from the newest complete one"


class explained:  # noqa: N801 - used as `with explained(...)`
    """Raises what fails in the block as `DiagnosticError`, with the traceback in `log`.

    `memory` is what to do where memory runs out in a command that uses what a run made; None
    for a training, whose recipe can be changed. `DiagnosticError`, KeyboardInterrupt and
    SystemExit pass through.
    """

    def __init__(self, plan: Plan, run_dir: Path, log: Path, *, memory: str | None = None) -> None:
        self._plan, self._run_dir, self._log, self._memory = plan, run_dir, log, memory

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, Exception) or isinstance(error, DiagnosticError):
            return
        # A disk that is full cannot take the traceback either.
        with contextlib.suppress(OSError), self._log.open("a", encoding="utf-8") as file:
            file.write("".join(traceback.format_exception(error)))
        found = diagnose(error, self._plan, self._run_dir, self._log, self._memory)
        raise DiagnosticError(found) from error


def diagnose(
    error: Exception, plan: Plan, run_dir: Path, log: Path, memory: str | None = None
) -> Diagnostic:
    """The diagnostic for `error`, or for the first cause of it that is known."""
    for cause in _causes(error):
        found = None if memory is None else _in_use(cause, run_dir, memory)
        found = found or _known(cause, plan, run_dir)
        if found is not None:
            return found
    return finding(
        during.INTERNAL,
        plan.recipe_path,
        f"{_name(error)}: {_first_line(error)}; the traceback is at the end of {log}",
        f"report it with {run_dir / 'plan.json'} and {log.name}",
    )


def known(error: Exception, plan: Plan, run_dir: Path) -> Diagnostic | None:
    """The diagnostic for the first cause of `error` that is known; None where none is."""
    found = (_known(cause, plan, run_dir) for cause in _causes(error))
    return next((each for each in found if each is not None), None)


def _known(cause: BaseException, plan: Plan, run_dir: Path) -> Diagnostic | None:
    found = (rule(cause, plan, run_dir) for rule in _RULES)
    return next((each for each in found if each is not None), None)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, then what led to it."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _in_use(error: BaseException, run_dir: Path, memory: str) -> Diagnostic | None:
    """What only a training could change by its recipe, in a command that uses what a run made."""
    which = _memory_of(error)
    if which is not None:
        return finding(during.OUT_OF_MEMORY, run_dir, f"the {which} ran out of memory", memory)
    if _is_full(error):
        place = getattr(error, "filename", None) or run_dir
        return finding(
            during.DISK_FULL, run_dir, f"no space left on the disk of {place}", "free space"
        )
    if _is_forbidden(error, run_dir):
        return finding(
            before.NOT_WRITABLE,
            run_dir,
            f"{run_dir} cannot be written: {error}",
            "change the folder's permissions",
        )
    return None


def _out_of_memory(error: BaseException, plan: Plan, run_dir: Path) -> Diagnostic | None:
    del run_dir
    which = _memory_of(error)
    if which is None:
        return None
    length = f" of up to {plan.data.max_length} tokens" if plan.data.max_length else ""
    return finding(
        during.OUT_OF_MEMORY,
        plan.recipe_path,
        f"the {which} ran out of memory with {plan.steps.per_device} sequences{length} per device",
        "lower training.per_device_train_batch_size (the global batch stays), turn on gradient "
        "checkpointing, lower data.max_length, or train an adapter",
    )


def _memory_of(error: BaseException) -> str | None:
    """Whose memory ran out, None where another thing failed."""
    text = str(error)
    if isinstance(error, MemoryError) or "can't allocate memory" in text:
        return "machine"
    if _name(error) == "OutOfMemoryError" or "CUDA out of memory" in text:
        return "GPU"
    return None


def _disk(error: BaseException, plan: Plan, run_dir: Path) -> Diagnostic | None:
    del plan
    # A start writes the plan last, and nobody else takes it away.
    if _number(error) == errno.ENOENT and not (run_dir / "plan.json").exists():
        return finding(
            before.NOT_WRITABLE,
            run_dir,
            f"{run_dir} was removed while the run wrote into it",
            "start the run again, and leave its folder alone until it has ended",
        )
    if _is_full(error):
        return finding(
            during.DISK_FULL,
            run_dir,
            f"no space left on the disk of {run_dir}",
            f"free space, or lower training.save_total_limit; {_RESUME}",
        )
    if _is_forbidden(error, run_dir):
        return finding(
            before.NOT_WRITABLE,
            run_dir,
            f"{run_dir} cannot be written: {error}",
            "change the folder's permissions, or name another output_dir",
        )
    return None


def _is_full(error: BaseException) -> bool:
    text = str(error)
    # torch's zip writer says only this when a write comes back short.
    return (
        _number(error) in (errno.ENOSPC, errno.EDQUOT)
        or "No space left on device" in text
        or "PytorchStreamWriter failed" in text
        or "unexpected pos" in text
    )


def _is_forbidden(error: BaseException, run_dir: Path) -> bool:
    inside = isinstance(error, OSError) and str(error.filename or "").startswith(str(run_dir))
    return inside and _number(error) in (errno.EACCES, errno.EPERM, errno.EROFS)


def _number(error: BaseException) -> int | None:
    return error.errno if isinstance(error, OSError) else None


def _hub(error: BaseException, plan: Plan, run_dir: Path) -> Diagnostic | None:
    del run_dir
    text, name = str(error), _name(error)
    offline = name in ("OfflineModeIsEnabled", "LocalEntryNotFoundError", "ConnectError")
    known = offline or "couldn't connect to" in text or "Cannot reach http" in text
    target = plan.arguments.arguments.get("hub_model_id")
    # The trainer makes the repository on the hub when it is built.
    if (
        known
        and target
        and any(f.name == "create_repo" for f in traceback.extract_tb(error.__traceback__))
    ):
        return finding(
            during.HUB_UNREACHABLE,
            plan.recipe_path,
            f"the hub cannot be reached, and hub.hub_model_id is {target}",
            "check the connection and HF_HUB_OFFLINE, or leave `hub` out and upload the model later",
        )
    if known:
        return finding(
            during.HUB_UNREACHABLE,
            plan.recipe_path,
            f"{_named(plan, text)} is not in the local cache and the hub cannot be reached",
            "check the connection and HF_HUB_OFFLINE, download it with `hf download`, "
            "or name a local folder",
        )
    return None


def _pickled(error: BaseException, plan: Plan, run_dir: Path) -> Diagnostic | None:
    del run_dir
    text = str(error)
    if (
        "no file named" in text and "safetensors" in text
    ) or "does not appear to have a file named model.safetensors" in text:
        return finding(
            during.NO_SAFETENSORS,
            plan.recipe_path,
            f"{plan.model.name_or_path} has no safetensors weights",
            "take a revision with safetensors, convert the model once, "
            "or set model.random_init to start from random weights",
        )
    return None


def _missing(error: BaseException, plan: Plan, run_dir: Path) -> Diagnostic | None:
    del run_dir
    text, name = str(error), _name(error)
    repository = name in ("RepositoryNotFoundError", "RevisionNotFoundError", "GatedRepoError")
    files = any(
        words in text
        for words in (
            "is not a local folder and is not a valid model identifier",
            "does not appear to have a file named",
            "Can't load tokenizer for",
            "Couldn't instantiate the backend tokenizer",
            "Unrecognized model in",
            "Repo id must",
            "is not a valid git identifier",
            "gated repo",
            "Can't load the configuration of",
        )
    )
    if not repository and not files:
        return None
    return finding(
        during.MODEL_NOT_FOUND,
        plan.recipe_path,
        f"{_named(plan, text)} cannot be loaded: {_first_line(error)}",
        "correct the name, the path or the revision; for gated models log in with `hf auth login`",
    )


def _damaged(error: BaseException, plan: Plan, run_dir: Path) -> Diagnostic | None:
    del run_dir
    if _name(error) != "SafetensorError":
        return None
    return finding(
        during.WEIGHTS_DAMAGED,
        plan.recipe_path,
        f"the weights of {plan.model.name_or_path} cannot be read: {_first_line(error)}",
        "download the model again, or fetch the real files with `git lfs pull`",
    )


def _adapter(error: BaseException, plan: Plan, run_dir: Path) -> Diagnostic | None:
    del run_dir
    found = re.search(r"Target modules? (.+?) not found in the base model", str(error))
    if found is None:
        return None
    layers = plan.adapter.arguments.get("layers_to_transform") if plan.adapter else None
    within = "" if layers is None else f" in the layers {list(layers)}"
    return finding(
        during.ADAPTER_TARGETS,
        plan.recipe_path,
        f"adapter.target_modules is {found[1]}{within}, and no module of "
        f"{plan.model.name_or_path} has such a name",
        "write `target_modules: all-linear`, or names of the model's own modules",
    )


_REFUSALS = (
    # Words of a message, the value of the recipe they are about, and what to do.
    ("Specified `attn_implementation=", "model.attn_implementation", "choose eager or sdpa"),
    ("does not support backward on CPU", "model.attn_implementation", "choose eager or sdpa"),
    ("does not support an attention implementation", "model.attn_implementation", "choose eager"),
    ("ignore_mismatched_sizes", "model.config_overrides", "keep the shape of the weights, or set model.random_init"),
    ("optim_target_modules", "training.optim_target_modules", "name the modules for this optimizer"),
    ("requires an eval strategy", "training.lr_scheduler_type", "add data.eval, or choose another schedule"),
    ("is not a valid DynamoBackend", "training.torch_compile_backend", "leave it out for inductor"),
)  # fmt: skip
_SCHEDULE = re.compile(r"get_\w*schedule\w*\(\) (got an unexpected .+|missing .+)")


def _refused(error: BaseException, plan: Plan, run_dir: Path) -> Diagnostic | None:
    """A value that only a library can tell to be wrong."""
    del run_dir
    text = str(error)
    found = next((known[1:] for known in _REFUSALS if known[0] in text), None)
    if isinstance(error, TypeError) and _SCHEDULE.search(text):
        found = ("training.lr_scheduler_kwargs", "correct the options of the schedule")
    if _name(error).startswith("StrictDataclass") and plan.model.config_overrides:
        found = ("model.config_overrides", "correct the value")
        text = " ".join(text.split())
    if found is None:
        return None
    path, help = found
    return finding(
        during.VALUE_REFUSED, plan.recipe_path, f"{path} is refused: {_first_line(text)}", help
    )


def _not_installed(error: BaseException, plan: Plan, run_dir: Path) -> Diagnostic | None:
    """A package that an optimizer or a kernel needs, and that only its library asks for."""
    del run_dir
    found = re.search(r"need to (?:install|have) `([\w.>=-]+)`", str(error))
    if found is None or not isinstance(error, ImportError):
        return None
    return finding(
        before.PACKAGE_MISSING,
        plan.recipe_path,
        f"{found[1]} is not installed: {_first_line(error)}",
        f"pip install '{found[1]}', or choose another value",
    )


def _communication(error: BaseException, plan: Plan, run_dir: Path) -> Diagnostic | None:
    text, name = str(error), _name(error)
    lost = name in ("DistBackendError", "DistNetworkError", "DistStoreError") or any(
        words in text
        for words in ("Connection closed by peer", "gloo", "NCCL", "Connection reset by peer")
    )
    if not lost or not isinstance(error, RuntimeError):
        return None
    return finding(
        during.COMMUNICATION_FAILED,
        plan.recipe_path,
        f"a process lost the connection to its peers: {_first_line(error)}",
        f"look for an earlier failure in the logs in {run_dir}; {_RESUME}",
    )


_RULES: tuple[Callable[[BaseException, Plan, Path], Diagnostic | None], ...] = (
    _out_of_memory,
    _disk,
    _hub,
    _pickled,
    _missing,
    _damaged,
    _adapter,
    _refused,
    _not_installed,
    _communication,
)


def _named(plan: Plan, text: str) -> str:
    """Which of model and tokenizer an error speaks of."""
    tokenizer = plan.tokenizer.name_or_path
    return tokenizer if tokenizer in text else plan.model.name_or_path


def _name(error: BaseException) -> str:
    return type(error).__name__


def _first_line(error: BaseException | str) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else "no message"
