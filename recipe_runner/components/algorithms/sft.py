"""Supervised fine-tuning."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.algorithm import Algorithm
from recipe_runner.plan import Shape, Task


class Sft(Algorithm):
    """Supervised fine-tuning: the model learns to continue with the text of the data.

    Use it to teach a model a task, a style or a domain from examples of what it
    should say, and for continued pretraining on plain text. The loss is the
    cross-entropy of the tokens that `data.loss_on` selects, averaged over all
    selected tokens of an optimizer step.

    Source: `trl.SFTTrainer`; instruction tuning after arXiv 2109.01652.
    """

    type: Literal["sft"]
    loss_type: Literal["nll", "dft"] = "nll"
    """`nll` is the cross-entropy; `dft` scales each token's loss by its probability (arXiv 2508.05629)."""
    padding_free: bool = False
    """Join the rows of a batch into one instead of padding them; each still sees only itself."""
    pad_to_multiple_of: Annotated[int, Field(ge=1)] | None = None
    """Pad batches to a multiple of this many tokens; 8 to 128 suits some kernels."""
    activation_offloading: bool = False
    """Keep activations in CPU memory between forward and backward: slower, smaller."""
    router_aux_loss_coef: Annotated[float, Field(ge=0)] | None = None
    """Weight of the load-balancing loss of mixture-of-experts models; null leaves the model's own."""

    @property
    def joins_rows(self) -> bool:
        """True where `padding_free` is set."""
        return self.padding_free

    upstream: ClassVar[str | None] = "trl:SFTConfig"
    trainer: ClassVar[str] = "trl:SFTTrainer"
    totals: ClassVar[bool] = True
    reads_head: ClassVar[bool] = True
    example_shapes: ClassVar[tuple[Shape, ...]] = (
        "conversation",
        "prompt_completion",
        "text",
        "tokenized",
        "segments",
    )
    recommended_learning_rate: ClassVar[float] = 2e-5
    recommended_learning_rate_with_adapter: ClassVar[float] = 2e-4
    evaluation_metrics: ClassVar[tuple[str, ...]] = ("loss", "mean_token_accuracy", "entropy")
    supports_packing: ClassVar[bool] = True
    supports_streaming: ClassVar[bool] = True
    tasks: ClassVar[tuple[Task, ...]] = (
        "causal_lm",
        "image_text_to_text",
    )
    is_default: ClassVar[bool] = True
    snippet: ClassVar[str] = "algorithm: sft"
    equation: ClassVar[str] = (
        "L = -mean over selected tokens t of log p(t | all tokens before t)\n"
        "dft: each term times p(t | all tokens before t), without a gradient through that factor"
    )
    sample_rows: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {
            "messages": [
                {"role": "user", "content": "Which planet is red?"},
                {"role": "assistant", "content": "Mars."},
            ]
        },
        {"prompt": "2 + 2 =", "completion": " 4"},
        {"text": "Rain in the morning, sun in the afternoon."},
    )
    managed: ClassVar[frozenset[str]] = frozenset(
        {
            "model_init_kwargs",
            "trust_remote_code",
            "chat_template_path",
            "dataset_text_field",
            "dataset_kwargs",
            "dataset_num_proc",
            "eos_token",
            "pad_token",
            "max_length",
            "truncation_mode",
            "shuffle_dataset",
            "packing",
            "packing_strategy",
            "eval_packing",
            "completion_only_loss",
            "assistant_only_loss",
        }
    )
