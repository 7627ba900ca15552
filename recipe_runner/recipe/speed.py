"""What makes a run fast: which levers are used, in the words of a recipe."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from recipe_runner.components.base import OrAuto, Spec

Word = Literal["auto", "on", "off", "require"]


class Speed(Spec):
    """What makes a run fast without changing what it learns. A bare text is `levers`.

    Each lever is used where that is exact (`auto`), where it can be, with a warning where it
    cannot (`on`), never (`off`), or else the run ends before it begins (`require`).
    With `auto`, losses and gradients are those of plain TRL up to the order of summation.
    """

    levers: Literal["auto", "off"] = "auto"
    """What becomes of levers that are not named: `auto`, or `off` for plain TRL."""
    padding_free: Word = "auto"
    """Take padding out before the layers of the model, and put it back behind them."""
    micro_batches: Word = "auto"
    """Share the rows of an optimizer step out by tokens instead of by rows."""
    loss_head: Word = "auto"
    """Apply the output head to tokens with a label only, and take its gradient in the same go."""
    adapter_inputs: Word = "auto"
    """Keep the inputs of low-rank adapters in 16 bits under autocast."""
    host_loop: Word = "auto"
    """Do what is the same for every pass once, and not in each."""
    logged_metrics: Word = "auto"
    """Take entropy and accuracy in steps that are logged only."""
    regional_compile: Word = "auto"
    """Compile the layers of the model."""
    float8: Word = "auto"
    """Multiply in 8 bits, on GPUs that have it."""
    fused_layers: Word = "auto"
    """Let norms, gates and LoRA of the layers keep less for the backward pass, in fewer kernels."""
    attention_kernel: Word = "auto"
    """Let FlashAttention, where it is installed, take documents that share a row."""
    liger: Word = "auto"
    """Compute norms, rotations and gates of the layers with Liger's kernels, where they are installed."""
    hub_kernels: Word = "auto"
    """Take kernels of the model's layers from the Hugging Face Hub."""
    unsloth: Word = "auto"
    """Let Unsloth load the model and its adapter."""
    threads: Word = "auto"
    """Compute with as many threads as the process may use cores."""
    tokens_per_micro_batch: OrAuto[Annotated[int, Field(ge=1)]] = "auto"
    """Most tokens of one forward pass where rows are shared out by tokens."""

    def words(self) -> Iterator[tuple[str, Word]]:
        """What the recipe says of each lever; `levers` speaks for those that are not named."""
        for name in type(self).model_fields:
            if name in ("levers", "tokens_per_micro_batch"):
                continue
            word: Word = getattr(self, name)
            yield name, "off" if word == "auto" and self.levers == "off" else word
