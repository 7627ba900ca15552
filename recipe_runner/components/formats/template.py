"""Columns put into texts that the recipe writes."""

from functools import cached_property
from typing import ClassVar, Literal

from pydantic import ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from recipe_runner.components.format import Example, Format, Message, require_column
from recipe_runner.components.parts import images_of, place_images
from recipe_runner.components.rendering import RowTemplate, Syntax, TemplateError, row_template
from recipe_runner.plan import Shape
from recipe_runner.rows import Row, RowProblem

_UNUSABLE = "row-template"
"""What pydantic calls a template that cannot be used; the recipe's loader tells it."""


class Template(Format):
    r"""Rows whose columns are put into texts that the recipe writes.

    Write `text` for plain text that trains in full, `prompt` and `completion` to train on
    the completion, or `prompt` alone. With `render: chat` they are a user's and an
    assistant's turn for the chat template, after `system` where there is one.

    A placeholder is `{column}`, and `{{` and `}}` are braces. With `syntax: jinja` the columns
    are Jinja's variables, and `row` holds all of them, for columns whose name is no word;
    conditions and loops over a row's own values are there, files and
    Python's attributes are not. A column that a row lacks, or null in place of a text,
    is a fault of the row: in Jinja, ask `{% if context is defined and context %}` first.

    >>> layout = Template(type="template", prompt="Q: {question}\nA:", completion=" {answer}")
    >>> layout.to_example({"question": "2 + 2?", "answer": 4})
    {'prompt': 'Q: 2 + 2?\nA:', 'completion': ' 4'}
    """

    type: Literal["template"]
    syntax: Syntax = "placeholders"
    """`placeholders` for `{column}`, `jinja` for Jinja in a sandbox."""
    render: Literal["text", "chat"] = "text"
    """`text`: prompt and completion are texts; `chat`: turns of user and assistant for the chat template."""
    text: str | None = None
    """Text that trains in full; stands alone."""
    system: str | None = None
    """System turn, with `render: chat`."""
    prompt: str | None = None
    """What comes before the completion, and does not train."""
    completion: str | None = None
    """What follows the prompt, and trains."""
    images_column: str | None = None
    """Column of an image or a list of them, which come before the prompt; with `render: chat`."""

    shape: ClassVar[Shape] = "prompt_completion"
    rank: ClassVar[int] = 99
    snippet: ClassVar[str] = (
        'format: {type: template, prompt: "{question}\\n", completion: "{answer}"}'
    )

    @field_validator("text", "system", "prompt", "completion")
    @classmethod
    def _readable(cls, value: str | None, info: ValidationInfo) -> str | None:
        # A wrong `syntax` is told by itself, and then says nothing of the texts.
        if value is None or "syntax" not in info.data:
            return value
        try:
            constant = row_template(value, info.data["syntax"]).is_constant
        except TemplateError as error:
            raise PydanticCustomError(_UNUSABLE, "{words}", {"words": str(error)}) from error
        if constant and info.field_name != "system":
            words = "names no column, so it would be the same text for every row"
            raise PydanticCustomError(_UNUSABLE, "{words}", {"words": words})
        return value

    @model_validator(mode="after")
    def _one_layout(self) -> "Template":
        words = None
        if self.text is not None:
            if (self.system, self.prompt, self.completion) != (None, None, None):
                words = "has a `text`, which stands alone, and other texts beside it"
            elif self.render == "chat":
                words = "has `render: chat`, which needs a `prompt`, and a `text`"
        elif self.prompt is None:
            words = "needs a `text`, or a `prompt`"
        elif self.system is not None and self.render == "text":
            words = "has a `system` turn, which needs `render: chat`"
        elif self.images_column is not None and self.render == "text":
            words = "has an `images_column`, which needs `render: chat`"
        if words is not None:
            raise PydanticCustomError(_UNUSABLE, "{words}", {"words": words})
        return self

    @property
    def example_shape(self) -> Shape:
        if self.text is not None:
            return "text"
        return "prompt" if self.completion is None else "prompt_completion"

    @property
    def renders_chat(self) -> bool:
        return self.render == "chat"

    def to_example(self, row: Row) -> Example:
        texts = {name: template.render(row) for name, template in self._templates.items()}
        if not texts.get("text", "x"):
            raise RowProblem("empty-text", "has an empty text once the template is filled in")
        if not texts.get("completion", "x").strip():
            raise RowProblem(
                "empty-completion", "has an empty completion once the template is filled in"
            )
        if "text" in texts:
            return {"text": texts["text"]}
        if self.render == "text":
            if "completion" not in texts:
                return {"prompt": texts["prompt"], **self._columns(row)}
            return {"prompt": texts["prompt"], "completion": texts["completion"]}
        prompt: list[Message] = [{"role": "user", "content": texts["prompt"]}]
        if texts.get("system"):
            prompt.insert(0, {"role": "system", "content": texts["system"]})
        if self.images_column is not None:
            images = images_of(require_column(row, self.images_column), self.images_column)
            prompt = place_images(prompt, images)
        if "completion" not in texts:
            return {"prompt": prompt, **self._columns(row)}
        return {
            "prompt": prompt,
            "completion": [{"role": "assistant", "content": texts["completion"]}],
        }

    def _columns(self, row: Row) -> Example:
        """What rewards read beside the prompt: every column but that of the images."""
        return {
            "columns": {k: v for k, v in row.items() if k not in ("prompt", self.images_column)}
        }

    @cached_property
    def _templates(self) -> dict[str, RowTemplate]:
        names = ("text", "system", "prompt", "completion")
        given = {name: value for name in names if (value := getattr(self, name)) is not None}
        return {name: row_template(text, self.syntax) for name, text in given.items()}

    @classmethod
    def recognises(cls, row: Row) -> str | None:  # noqa: ARG003
        return None  # only a recipe can say what text its columns make
