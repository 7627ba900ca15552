"""Process reward models: judges of the steps of an answer."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from recipe_runner.components.algorithm import Algorithm, Conflict
from recipe_runner.components.base import OWN
from recipe_runner.plan import Feed, Shape, StepLoss, Task

_ESCAPES = ("\\n", "\\t")


class Prm(Algorithm):
    """Process reward model: the model learns to say of each step of an answer whether it is right.

    Use it to judge reasoning while it is written, for searching among answers or as a reward,
    where a right result is not enough: it sees which step goes wrong, and an outcome reward
    only that the end does. It wants answers in steps, each labelled. A layer of two classes
    takes the place of the language model's head, so the model judges and does not answer.

    Prompt, steps and separators are tokenized apart, and a step is judged at the last token
    of the separator behind it. Nothing is put between the prompt and the first step: end
    prompts with a line break where there should be one. Where a row is too long
    (`overlong: truncate`), whole steps are left out from its end. `accuracy` is the share of
    steps that are judged as labelled, and `answer_accuracy` that of answers of which all
    are; compare them with how often a label is right. The result is loaded with
    `AutoModelForTokenClassification`; class 1 is right.

    Source: arXiv 2211.14275 and 2305.20050; TRL's PRMTrainer, which left TRL after 1.12.
    """

    type: Literal["prm"]
    step_separator: Annotated[str, OWN] = "\n"
    """Text behind each step, at whose last token it is judged; in double quotes, "\\n" is a line break."""
    train_on_last_step_only: Annotated[bool, OWN] = False
    """Judge only the last step of an answer, when evaluating too: outcome instead of process supervision."""
    disable_dropout: Annotated[bool, OWN] = True
    """Switch the model's dropout off; `adapter.lora_dropout` stays."""

    upstream: ClassVar[str | None] = "transformers:TrainingArguments"
    trainer: ClassVar[str] = "recipe_runner:PRMTrainer"
    feed: ClassVar[Feed] = "steps"
    example_shapes: ClassVar[tuple[Shape, ...]] = ("stepwise",)
    tasks: ClassVar[tuple[Task, ...]] = ("token_classification",)
    num_labels: ClassVar[int | None] = 2
    scores: ClassVar[bool] = False
    recommended_learning_rate: ClassVar[float] = 1e-5
    recommended_learning_rate_with_adapter: ClassVar[float] = 1e-4
    evaluation_metrics: ClassVar[tuple[str, ...]] = ("loss", "accuracy", "answer_accuracy")
    equation: ClassVar[str] = (
        "L = -E[ log p(label of step t | prompt, steps 1..t) ] over all steps t of all answers\n"
        "p = softmax of the two logits at the last token of step t's separator"
    )
    sample_rows: ClassVar[tuple[Mapping[str, Any], ...]] = (
        {
            "prompt": "What is 12 + 7 - 4?\n",
            "completions": ["12 + 7 = 19", "19 - 4 = 15"],
            "labels": [True, True],
        },
        {
            "prompt": "What is 12 + 7 - 4?\n",
            "completions": ["12 + 7 = 19", "19 - 4 = 14"],
            "labels": [True, False],
        },
        {
            "prompt": "Is 91 prime?\n",
            "completions": ["91 is odd.", "91 = 7 x 13.", "So it is prime."],
            "labels": [True, True, False],
        },
    )
    snippet: ClassVar[str] = "algorithm: prm"

    def steps(self) -> StepLoss | None:
        """Where steps are judged, and which of them."""
        return StepLoss(self.step_separator, self.train_on_last_step_only)

    def trainer_arguments(self) -> Mapping[str, Any]:
        """What is no argument of `transformers.TrainingArguments`."""
        return {"disable_dropout": self.disable_dropout}

    def conflicts(self) -> Iterable[Conflict]:
        """Separators that are hardly meant."""
        if not self.step_separator:
            message = "`algorithm.step_separator` is empty, so no token tells the end of a step"
            yield Conflict("step_separator", message, 'use "\\n", or a token of its own', "warning")
        for escape in _ESCAPES:
            if escape in self.step_separator:
                message = f"`algorithm.step_separator` has a backslash and a letter, {escape}"
                help_text = f'"{escape}" in double quotes is the white space that it stands for'
                yield Conflict("step_separator", message, help_text, "warning")
