"""The sections of a recipe that are no choice: model, tokenizer, data, launch and the rest.

Inside a section the upstream name is used exactly, because people search for it.
A value of "auto" is decided by `resolve`, which says why.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, JsonValue, Strict, Tag, field_validator
from pydantic_core import PydanticCustomError

from recipe_runner.components.base import (
    OneOf,
    OneOrMany,
    OrAuto,
    Shorthand,
    Spec,
    Strings,
)
from recipe_runner.components.format import Format
from recipe_runner.components.sharding import Sharding
from recipe_runner.components.source import Source
from recipe_runner.plan import Task

Fraction = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(ge=1)]

_SPLIT = re.compile(r"\w+(\.\w+)*(\[(-?[\d_]+%?)?:(-?[\d_]+%?)?\])?(\([^()]*\))?")


class BaseAdapter(Spec):
    """A trained adapter that belongs to the base. A bare text is `path`."""

    path: Annotated[str, Field(min_length=1)]
    """Its run directory, or the folder of its weights, relative to the recipe file."""
    merge: bool = True
    """Add it to the base's weights in memory; false keeps it frozen beneath the adapter that trains."""


class TrainableSpec(Spec):
    """Parts of the model that train; the rest is frozen."""

    last_layers: Annotated[int, Field(ge=0)] = 0
    """How many decoder layers train, counted from the last; the final norm is none of them."""
    embeddings: bool = False
    """Train the embeddings of the tokens; where the output head is tied to them, it trains too."""
    norms: bool = False
    """Train the norms: few numbers, which shift how loud everything is."""
    head: bool = False
    """Train the output head; where it is tied to the embeddings, they train too."""
    vision: bool = False
    """Train what sees: the vision tower and what joins it to the text."""


class Model(Spec):
    """Which model is trained: a hub id or a folder, and how it is loaded.

    A bare text is `name_or_path`.
    """

    name_or_path: Annotated[str, Field(min_length=1)]
    """Hub id, folder (relative to the recipe file), or `shipped:NAME` for a model of this package."""
    revision: str | None = None
    """Branch, tag or commit of the hub repository; pin a commit so that the recipe stays reproducible."""
    task: OrAuto[Task] = "auto"
    """What the model is loaded for; `auto` is what the algorithm trains, `image_text_to_text` takes images as well."""
    dtype: OrAuto[Literal["bfloat16", "float16", "float32"]] = "auto"
    """Type of the loaded weights; `auto` is float32 for weights that train and half precision for frozen ones."""
    attn_implementation: str | None = None
    """Attention kernel, such as `sdpa` or `flash_attention_2`; null leaves transformers' choice."""
    trust_remote_code: bool = False
    """Run Python code from the model's repository; also has to be allowed on the command line."""
    config_overrides: dict[str, JsonValue] = Field(default_factory=dict)
    """Values set on the model's configuration before it is loaded."""
    random_init: bool = False
    """Build the model from its configuration with random weights instead of loading them."""
    freeze: Strings = ()
    """Regular expressions; parameters whose name one of them finds do not train."""
    trainable_parameters: Strings = ()
    """Regular expressions; where given, only parameters whose name one of them finds train."""
    trainable: TrainableSpec | None = None
    """Parts that train, beside what `trainable_parameters` finds; null leaves the choice to the patterns."""
    adapter: Annotated[BaseAdapter, Shorthand("path")] | None = None
    """A trained adapter that the base has before anything else: what is trained goes on top of both."""


class TemplateFile(Spec):
    """A chat template in a file."""

    file: str
    """Path of a Jinja file, relative to the recipe."""


class TemplateInline(Spec):
    """A chat template in the recipe itself."""

    inline: str
    """Jinja text; a file is easier to review."""


def _template_kind(value: Any) -> str:
    if isinstance(value, str):
        return "<name>"
    inline = "inline" in value if isinstance(value, Mapping) else isinstance(value, TemplateInline)
    return "<inline>" if inline else "<file>"


ChatTemplate = Annotated[
    Annotated[str, Tag("<name>")]
    | Annotated[TemplateFile, Tag("<file>")]
    | Annotated[TemplateInline, Tag("<inline>")],
    Discriminator(_template_kind),
]


class SpecialTokens(Spec):
    """Special tokens to set on the tokenizer; null leaves its own."""

    bos_token: str | None = None
    """Beginning of a sequence."""
    eos_token: str | None = None
    """End of a sequence; generation stops at it."""
    pad_token: str | None = None
    """Filler of short rows; should not be the end-of-sequence token."""
    unk_token: str | None = None
    """Stands for what the vocabulary lacks."""


class Tokenizer(Spec):
    """The tokenizer and its chat template."""

    name_or_path: str | None = None
    """Where the tokenizer comes from; null is the model's own."""
    revision: str | None = None
    """Revision of the tokenizer's repository; null is the model's."""
    special_tokens: SpecialTokens = SpecialTokens()
    """Special tokens to replace or add."""
    add_tokens: Strings = ()
    """Further tokens that stay whole; their embeddings are new, so they have to train."""
    resize_embeddings_multiple_of: Count | None = None
    """Round the embedding matrix up to a multiple of this when tokens were added."""
    chat_template: ChatTemplate = "tokenizer"
    """`tokenizer` for its own, the name of a shipped one, `{file: path}` or `{inline: text}`."""
    chat_template_kwargs: dict[str, JsonValue] = Field(default_factory=dict)
    """Variables for the chat template, such as `enable_thinking: false`."""


class BadRows(Spec):
    """What to do with rows that something is wrong with, by the kind of fault; all are counted and named."""

    unreadable: Literal["error", "drop"] = "error"
    """Rows that cannot be parsed, or lack a column."""
    does_not_fit: Literal["error", "drop"] = "error"
    """Rows whose columns do not hold what the format expects."""
    unknown_role: Literal["error", "drop"] = "error"
    """Conversations with a role that nobody knows."""
    empty_completion: Literal["error", "drop"] = "error"
    """Rows whose completion, or every answer, is empty."""
    consecutive_assistant: Literal["error", "drop", "keep"] = "error"
    """Conversations with two turns of the assistant in a row; `keep` trains on both."""
    not_rendered: Literal["error", "drop", "keep"] = "error"
    """Conversations with calls, tools or thoughts that the chat template leaves out; `keep` trains without them."""
    untrainable: Literal["error", "drop"] = "error"
    """Rows without a token that trains, such as those whose answer is cut off."""


def _word_or_mapping(value: Any) -> str:
    return "<word>" if isinstance(value, str) else "<mapping>"


OnBadRow = Annotated[
    Annotated[Literal["error", "drop"], Tag("<word>")] | Annotated[BadRows, Tag("<mapping>")],
    Discriminator(_word_or_mapping),
]


class SourceSpec(Spec):
    """One data set: where it is, and how its rows are laid out. A bare text is `path`."""

    path: Annotated[str, Field(min_length=1)]
    """A file, folder or pattern (`data/*.jsonl`) relative to the recipe, an address (`s3://...`), or a hub id."""
    source: Annotated[
        Source | Literal["auto"], OneOf("recipe_runner.components.sources", "auto")
    ] = "auto"
    """Kind of file; `auto` goes by the path's ending."""
    format: Annotated[
        Format | Literal["auto"], OneOf("recipe_runner.components.formats", "auto")
    ] = "auto"
    """Layout of the rows; `auto` goes by the columns and says in the plan what it recognised."""
    name: str | None = None
    """Configuration of a hub data set."""
    split: str = "train"
    """Split of a hub data set; slices such as `train[:10%]` are allowed."""
    revision: str | None = None
    """Revision of a hub data set; pin a commit so that the recipe stays reproducible."""
    data_files: Strings = ()
    """Files of a hub data set to read, by their paths there or by patterns; empty leaves it to the data set."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Columns to rename before the format reads them: the format's name to the data's name."""
    limit: Count | None = None
    """Use the first rows only, this many."""
    fraction_of_rows: Fraction | None = None
    """Use this fraction of the rows, drawn with the seed."""
    repeat: Count = 1
    """Use each row this many times in an epoch."""
    probability: Fraction | None = None
    """Chance that the next row comes from here, with `mix: {strategy: interleave}`."""
    on_bad_row: OnBadRow = "error"
    """What to do with rows that something is wrong with, in one word or by the kind of fault."""

    @field_validator("split")
    @classmethod
    def _readable_split(cls, text: str) -> str:
        for part in text.split("+"):
            if not _SPLIT.fullmatch(part.strip()):
                # Told like a pattern; the real one is not for reading.
                told = {"pattern": "NAME or NAME[FROM:TO]"}
                raise PydanticCustomError("string_pattern_mismatch", "{pattern}", told)
        return text


class EvalSplit(Spec):
    """Evaluation rows that are taken out of the training rows."""

    split: Annotated[float, Field(gt=0, lt=1)] | Annotated[int, Field(ge=1)]
    """A fraction below 1, or a number of rows."""


Sources = Annotated[
    tuple[Annotated[SourceSpec, Shorthand("path")], ...],
    Strict(False),
    Field(min_length=1),
    OneOrMany(),
]


def _eval_kind(value: Any) -> str:
    if isinstance(value, EvalSplit) or (isinstance(value, Mapping) and "path" not in value):
        return "<split>"
    return "<sources>"


class Mix(Spec):
    """How several training sets become one."""

    strategy: Literal["concatenate", "interleave"] = "concatenate"
    """`concatenate` uses every row once; `interleave` draws by `probability`."""
    stopping_strategy: Literal["first_exhausted", "all_exhausted"] = "first_exhausted"
    """When interleaving ends: at the first set that runs out, or when every row was seen."""


class Loss(Spec):
    """Which turns of a conversation train, in full."""

    roles: Annotated[Strings, Field(min_length=1)] = ("assistant",)
    """Roles whose turns train; `any` stands for all of them."""
    turns: Literal["all", "last", "last_round"] = "all"
    """`all` of them, the `last` one, or those after the last turn of the user (`last_round`)."""
    end_of_turn: Literal["turn", "all", "last", "none"] = "turn"
    """End-of-turn tokens that train: of each turn that trains, of `all` turns, of the `last`, or `none`."""
    end_of_turn_tokens: Strings = ()
    """The end-of-turn tokens; empty finds them in the chat template."""
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """Regular expressions and the factor that what they match in a trained turn trains with; 0 leaves it out."""


LossWord = Literal["auto", "assistant", "last_assistant", "completion", "all"]
LossOn = Annotated[
    Annotated[LossWord, Tag("<word>")] | Annotated[Loss, Tag("<mapping>")],
    Discriminator(_word_or_mapping),
]


class Deduplicate(Spec):
    """Removes training rows that repeat an earlier one. A bare text is `method`."""

    method: Literal["exact", "near"] = "exact"
    """`exact` compares whole examples, `near` their sets of five words in a row."""
    threshold: Fraction = 0.8
    """Share of common word sequences (Jaccard index) from which two rows are near duplicates."""


class Data(Spec):
    """What the model learns from."""

    train: Sources
    """Training sets: a path, a mapping, or a list of them."""
    eval: (
        Annotated[
            Annotated[EvalSplit, Tag("<split>")] | Annotated[Sources, Tag("<sources>")],
            Discriminator(_eval_kind),
        ]
        | None
    ) = None
    """Evaluation: null for none, `{split: 0.05}` to take rows from the training sets, or sets of its own."""
    mix: Mix = Mix()
    """How several training sets become one."""
    deduplicate: Annotated[Deduplicate, Shorthand("method")] | None = None
    """Remove training rows that repeat an earlier one: `exact`, `near`, or a mapping; null keeps them."""
    leakage: Literal["ignore", "report", "drop", "error"] = "report"
    """What to do with training rows that are evaluated on as well; they are compared as `deduplicate` says."""
    streaming: bool = False
    """Read and tokenize rows while training goes, for data that do not fit the disk; wants `training.max_steps`."""
    shuffle: bool = True
    """Draw the training rows in random order, by the seed."""
    shuffle_buffer: Count = 10_000
    """Rows that a stream is shuffled among."""
    max_length: OrAuto[Count] = "auto"
    """Longest row in tokens, of a prompt without its answer; `auto` is 2048, or what the model's context leaves."""
    overlong: Literal["truncate", "drop", "error", "split"] = "truncate"
    """What to do with longer rows; counted and reported in each case. `split` makes several rows of one."""
    truncation_mode: Literal["keep_answer", "keep_start", "keep_end"] = "keep_answer"
    """Which part of a longer row stays; `keep_answer` cuts what does not train first, from its start."""
    packing: Literal["bfd", "bfd_split", "wrapped"] | None = None
    """Fill rows with several examples: `bfd` cuts longer ones, `bfd_split` keeps the rest, `wrapped` cuts a stream."""
    eval_packing: bool | None = None
    """Pack evaluation rows too; null follows `packing`."""
    loss_on: LossOn = "auto"
    """Tokens that train; `auto`: the assistant's turns, the completion after a prompt, all of a text."""
    num_proc: OrAuto[Count] = "auto"
    """Processes that prepare the rows; `auto` is one per core."""


class Score(Spec):
    """Greedy answers to evaluation rows before and after training, compared with the expected text."""

    rows: Count = 200
    """Evaluation rows to answer, from the first."""
    max_new_tokens: Count = 64
    """Longest answer in tokens."""
    batch_size: Count = 64
    """Rows answered at once."""
    show: Annotated[int, Field(ge=0)] = 5
    """Rows shown on the screen, before and after."""


class Launch(Spec):
    """How the run is spread over processes and machines."""

    strategy: Annotated[
        Sharding | Literal["auto"], OneOf("recipe_runner.components.shardings", "auto")
    ] = "auto"
    """`auto` is ddp on several devices, or fsdp where each has no room; a mapping sets its options."""
    num_processes: OrAuto[Count] = "auto"
    """Processes over all machines; `auto` is one per GPU, and one without GPUs."""
    num_machines: Count = 1
    """Machines of the same kind."""
    mixed_precision: OrAuto[Literal["no", "bf16", "fp16"]] = "auto"
    """Type of the computation; `auto` is bf16 where the hardware has it."""
    main_process_ip: str | None = None
    """Address of the first machine, with several machines."""
    main_process_port: Annotated[int, Field(ge=0, le=65535)] = 29500
    """Port where the processes meet; 0 takes a free one, on one machine only."""
    num_cpu_threads_per_process: Count | None = None
    """CPU threads that one process computes with; null leaves PyTorch's choice, all cores."""
    use_cpu: OrAuto[bool] = "auto"
    """Train on the CPU even where there is a GPU."""


class Hub(Spec):
    """Uploading to the Hugging Face hub, after the run. The token comes from the environment."""

    hub_model_id: str
    """Repository to push to."""
    private: bool = True
    """Create the repository as private."""
    strategy: Literal["end", "every_save", "checkpoint", "all_checkpoints"] = "end"
    """When to upload: the final model only, or at each save."""
