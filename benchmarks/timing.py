"""Times a trainer's steps on the device it computes on, and counts the tokens of them.

On a CPU, seconds of this process: others may use the cores meanwhile. On a GPU, events on its
stream; the wall clock beside both, with the device at rest at either end.
"""

from __future__ import annotations

import ctypes
import gc
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_LEAST = 2
"""Steps that are counted at least, also where the time is up."""


@dataclass(frozen=True)
class Seconds:
    """How long something took: `device` is of this process on a CPU, of its stream on a GPU."""

    device: float
    wall: float


class Stopwatch:
    """Runs from when it is made, with the device at rest."""

    def __init__(self, device: str) -> None:
        self._device = device
        if device != "cpu":
            import torch

            torch.cuda.synchronize()
            self._first, self._last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            self._first.record()
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def seconds(self) -> Seconds:
        """The time until now, with all work on the device done."""
        if self._device == "cpu":
            return Seconds(time.process_time() - self._cpu, time.perf_counter() - self._wall)
        import torch

        self._last.record()
        torch.cuda.synchronize()
        on_stream = self._first.elapsed_time(self._last) / 1000
        return Seconds(on_stream, time.perf_counter() - self._wall)


@dataclass
class Memory:
    """The most memory that an arm needs, in MiB, above what there is when it begins.

    On a CPU that is resident memory, and None where the kernel does not let its peak be reset.
    """

    device: str
    before: int = 0
    resets: bool = True

    def begin(self) -> None:
        """Give back what the arms before have left, and begin to watch."""
        gc.collect()
        if self.device != "cpu":
            import torch

            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            return
        # What the arms before have given back lies with the allocator, and would be used again.
        if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
            libc.malloc_trim(0)
        try:
            # proc_pid_clear_refs(5): 5 resets the peak of resident memory.
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        except OSError:
            self.resets = False
        self.before = _status("VmRSS")

    def peak(self) -> dict[str, float | None]:
        """`allocated` is what tensors take, `reserved` what the process has of the device."""
        if self.device == "cpu":
            most = (_status("VmHWM") - self.before) / 1024 if self.resets else None
            return {"allocated": most, "reserved": most}
        import torch

        free, whole = torch.cuda.mem_get_info()
        reserved = torch.cuda.memory_reserved()
        # The context and the libraries have their memory from the driver, not from torch.
        beside = max(0, whole - free - reserved)
        return {
            "allocated": torch.cuda.max_memory_allocated() / 2**20,
            "reserved": (torch.cuda.max_memory_reserved() + beside) / 2**20,
        }


def _status(name: str) -> int:
    """KiB of this process, as proc_pid_status(5) has them."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    return 0


@dataclass
class Counted:
    """What the batches of a run hold, in the order in which they were made, and how long rows are."""

    real: list[int] = field(default_factory=list)
    padded: list[int] = field(default_factory=list)
    squares: list[int] = field(default_factory=list)

    def note(self, lengths: list[int], padded: int) -> None:
        """A batch of rows with so many tokens, `padded` of them all with padding."""
        self.real.append(sum(lengths))
        self.padded.append(padded)
        self.squares.append(sum(length * length for length in lengths))

    def wrap(self, collate: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """The same collator; what it makes is counted on the way."""

        def counting(rows: Any) -> Any:
            batch = collate(rows)
            if "input_ids" in batch:
                self.note(_lengths(batch), batch["input_ids"].numel())
            return batch

        return counting


def _lengths(batch: Any) -> list[int]:
    """Tokens of each row, or of each document where rows are joined."""
    import torch

    ids, mask, positions = (
        batch.get(name) for name in ("input_ids", "attention_mask", "position_ids")
    )
    if mask is not None:
        return [int(each) for each in mask.sum(1)]
    if positions is not None:
        starts = (positions[0] == 0).nonzero().flatten()
        ends = torch.cat([starts[1:], starts.new_tensor([positions.shape[1]])])
        return [int(each) for each in ends - starts]
    return [int(ids.shape[1])] * len(ids)


def timed(
    make: Callable[[], Any],
    *,
    device: str,
    warm_up: int = 1,
    until: float = math.inf,
    counted: Counted | None = None,
) -> dict[str, Any]:
    """Train what `make` makes; seconds and tokens of the steps after `warm_up`, and all losses.

    Where `until`, a time of `time.monotonic`, has passed, it ends early, after two counted steps
    at least. `counted` is given where something other than the collator tells of tokens.
    """
    from transformers import TrainerCallback

    memory = Memory(device)
    memory.begin()
    begun = time.perf_counter()
    trainer = make()
    counted = counted or Counted()
    trainer.data_collator = counted.wrap(trainer.data_collator)
    found: dict[str, Any] = {}

    class Watch(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            step = state.global_step
            if step == 1:
                _rest(device)
                found["first_step_seconds"] = time.perf_counter() - begun
            if step == warm_up:
                self.watch = Stopwatch(device)
            elif step >= warm_up + _LEAST and time.monotonic() > until:
                control.should_training_stop = True
            if step > warm_up and (control.should_training_stop or step == state.max_steps):
                found["seconds"] = self.watch.seconds()
                found["steps"] = step - warm_up

    trainer.add_callback(Watch())
    trainer.train()
    seconds, steps = found["seconds"], found["steps"]
    logged = [row for row in trainer.state.log_history if "loss" in row]
    # Batches are made ahead, so those of a step are told by their number.
    per_step = trainer.args.gradient_accumulation_steps
    part = slice(warm_up * per_step, (warm_up + steps) * per_step)
    return {
        "steps": steps,
        "device_seconds": seconds.device,
        "wall_seconds": seconds.wall,
        "first_step_seconds": found["first_step_seconds"],
        "real_tokens": sum(counted.real[part]),
        "padded_tokens": sum(counted.padded[part]),
        "squares": sum(counted.squares[part]),
        "peak_mib": memory.peak(),
        "losses": [row["loss"] for row in logged],
        "gradient_norms": [row["grad_norm"] for row in logged],
    }


def _rest(device: str) -> None:
    if device != "cpu":
        import torch

        torch.cuda.synchronize()
