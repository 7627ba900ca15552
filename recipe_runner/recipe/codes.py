"""Codes of the schema: what can be wrong with one value or key by itself."""

from recipe_runner.diagnostics import Code

_HEAD = "recipe: 1\nmodel: org/model-id\n"
_TAIL = "algorithm: sft\noutput_dir: runs/x\n"


def _page(what: str, why: str, example: str, instead: str) -> str:
    return (
        f"## What it means\n\n{what}\n\n## Why it matters\n\n{why}\n\n"
        f"## Example\n\n```yaml recipe.yaml\n{example}```\n\n## Instead\n\n```yaml recipe.yaml\n{instead}```\n"
    )


def _recipe(middle: str, tail: str = _TAIL, head: str = _HEAD) -> str:
    return f"{head}data: {{train: data/chat.jsonl}}\n{tail}{middle}"


UNKNOWN_KEY = Code(
    "RR201",
    "unknown-key",
    _page(
        "A key that the schema does not know at this place, most often a misspelt one.",
        "A tool that ignores keys it does not know trains something else than what was written, "
        "and nobody notices until the results are in.",
        _recipe("training:\n  learning_rat: 1e-4  # <- RR201\n"),
        _recipe("training:\n  learning_rate: 1e-4\n"),
    ),
)
MISSING_KEY = Code(
    "RR202",
    "missing-key",
    _page(
        "A key that has no default is not there.",
        "What is trained, on what and where the result goes is never guessed.",
        "recipe: 1  # <- RR202\ndata: {train: data/chat.jsonl}\n" + _TAIL,
        _recipe(""),
    ),
)
WRONG_TYPE = Code(
    "RR203",
    "wrong-type",
    _page(
        "A value of another kind than the key takes: a word where a number belongs, a number in quotes, "
        "a list where one value belongs.",
        "Upstream libraries accept some wrong kinds without a word, for example a learning rate that is a text, "
        "and fail much later or train with something else.",
        _recipe("training:\n  learning_rate: fast  # <- RR203\n"),
        _recipe("training:\n  learning_rate: 2e-5\n"),
    ),
)
OUT_OF_RANGE = Code(
    "RR204",
    "out-of-range",
    _page(
        "A number outside the range in which it has a meaning, or a text or list that may not be empty.",
        "Such a value either fails after the model was loaded or silently does nothing.",
        _recipe("training:\n  adam_beta2: 1.5  # <- RR204\n"),
        _recipe("training:\n  adam_beta2: 0.95\n"),
    ),
)
UNKNOWN_CHOICE = Code(
    "RR205",
    "unknown-choice",
    _page(
        "A word that is none of the choices of this key, such as an algorithm or a schedule that does not exist.",
        "The message lists the choices, and names the nearest one where it looks like a slip.",
        _recipe("", "algorithm: sftt  # <- RR205\noutput_dir: runs/x\n"),
        _recipe(""),
    ),
)
MISSING_TYPE = Code(
    "RR206",
    "missing-type",
    _page(
        "A mapping that configures one of several choices does not say which: it has no `type`.",
        "Which options are allowed depends on the choice.",
        _recipe("adapter: {r: 8}  # <- RR206\n"),
        _recipe("adapter: {type: lora, r: 8}\n"),
    ),
)
ADAPTER_WITHOUT_RANK = Code(
    "RR207",
    "adapter-without-rank",
    _page(
        "The rank of an adapter is 0 or less, so the adapter has no parameters.",
        "There would be nothing to train, and PEFT says so only after the model was loaded.",
        _recipe("adapter: {type: lora, r: 0}  # <- RR207\n"),
        _recipe("adapter: {type: lora, r: 8}\n"),
    ),
)
TWO_QUANTIZATIONS = Code(
    "RR208",
    "two-quantizations",
    _page(
        "The base model is asked for in 4 bits and in 8 bits at once.",
        "One of the two would win silently, with twice or half the memory that was meant.",
        _recipe("quantization: [bnb_4bit, bnb_8bit]  # <- RR208\n"),
        _recipe("quantization: bnb_4bit\nadapter: lora\n"),
    ),
)
RENAMED_KEY = Code(
    "RR209",
    "renamed-key",
    _page(
        "A key of another tool or of an older release, whose meaning has another name or another place here.",
        "The message names the key to use, with its full path.",
        _recipe("training:\n  max_seq_length: 1024  # <- RR209\n"),
        "recipe: 1\nmodel: org/model-id\ndata: {train: data/chat.jsonl, max_length: 1024}\n"
        + _TAIL,
    ),
)
WRONG_VERSION = Code(
    "RR210",
    "wrong-recipe-version",
    _page(
        "`recipe` is not a version of the schema that this release knows.",
        "The version says how the other keys are meant; a newer recipe needs a newer recipe_runner.",
        "recipe: 2  # <- RR210\nmodel: org/model-id\ndata: {train: data/chat.jsonl}\n" + _TAIL,
        _recipe(""),
    ),
)


def _row_template(text: str) -> str:
    return (
        f"{_HEAD}data:\n  train:\n    path: data/sums.jsonl\n    format:\n      type: template\n"
        f"      text: {text}\n{_TAIL}```\n\n"
        '```jsonl data/sums.jsonl\n{"sum": "2 + 2", "result": 4}\n'
    )


ROW_TEMPLATE = Code(
    "RR432",
    "row-template",
    _page(
        "A text of `format: template` cannot be read, names no column, or does not go with the "
        "other texts.",
        "Every row is made with it, so a slip in it is a slip in all of them.",
        _row_template('"{sum} = {result"  # <- RR432'),
        _row_template('"{sum} = {result}"'),
    ),
)


def _judged(reward: str) -> str:
    return (
        "recipe: 1\nmodel: org/model-id\ndata: {train: data/questions.jsonl}\nalgorithm: grpo\n"
        f"rewards: {reward}\noutput_dir: runs/x\n```\n\n"
        '```jsonl data/questions.jsonl\n{"prompt": "Is 7 prime?"}\n'
    )


REWARD_UNUSABLE = Code(
    "RR211",
    "reward-unusable",
    _page(
        "A reward has options that cannot work: a text that is no regular expression, or options "
        "that rule each other out.",
        "It would fail at the first answer, once the data are prepared and the model is loaded.",
        _judged('{type: regex, pattern: "^(yes"}  # <- RR211'),
        _judged('{type: regex, pattern: "^(yes)"}'),
    ),
)

CODES = (
    UNKNOWN_KEY,
    MISSING_KEY,
    WRONG_TYPE,
    OUT_OF_RANGE,
    UNKNOWN_CHOICE,
    MISSING_TYPE,
    ADAPTER_WITHOUT_RANK,
    TWO_QUANTIZATIONS,
    RENAMED_KEY,
    WRONG_VERSION,
    ROW_TEMPLATE,
    REWARD_UNUSABLE,
)
