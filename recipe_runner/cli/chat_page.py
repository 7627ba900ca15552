"""What a chat says before its first question, and its list of commands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from recipe_runner.cli.layout import Line, labelled, options, paint, short_path
from recipe_runner.execute.answering.prompt import Room

if TYPE_CHECKING:
    from recipe_runner.execute.answering.conversation import Conversation
    from recipe_runner.execute.loading import Loaded

COMMANDS = {
    "/adapter on|off": "Answer with the adapter, or with the base alone.",
    "/compare [TEXT]": "Both answers to TEXT, or to the last question again.",
    "/system TEXT": "Begin with TEXT as the system turn; - takes it out.",
    "/reset": "Forget the turns so far.",
    "/save FILE": "Write the turns as a row of messages.",
    "/help": "Show this list.",
    "/exit": "End; Ctrl-D and Ctrl-C do too.",
}
_OWN = ("temperature", "top_p", "top_k")


def header(talk: Conversation, loaded: Loaded, *, width: int, color: bool = False) -> str:
    """Who answers, and how."""
    title = paint(loaded.plan.name, "bold", color)
    hint = paint("/help lists commands, Ctrl-C stops an answer, Ctrl-D ends.", "dim", color)
    return f"{title}\n{labelled(_lines(talk, loaded), width, color)}{hint}\n\n"


def _lines(talk: Conversation, loaded: Loaded) -> Iterator[Line]:
    plan, finished = loaded.plan, talk.sides.finished
    made = short_path(str(finished.run.model))
    base = short_path(plan.model.name_or_path)
    model = base if loaded.adapted else made
    if talk.sides.merged:
        model = short_path(str(finished.run.path / "merged"))
    yield "model", f"{model} ({loaded.dtype}, {loaded.device})"
    if loaded.adapted and plan.adapter is not None:
        kind = plan.adapter.target.partition(":")[2].removesuffix("Config")
        yield "adapter", f"{made} ({kind}), {'on' if talk.adapted else 'off'}"
    elif not talk.adapted:
        yield "base", f"{base} answers: the model as it was before the run"
    yield "template", _template(talk, loaded)
    if talk.system is not None:
        yield "system", talk.system
    yield "tokens", _tokens(talk, loaded)


def _template(talk: Conversation, loaded: Loaded) -> str:
    if talk.raw:
        return "none: the text is continued as it is"
    source = loaded.plan.tokenizer.chat_template_source
    name = "the tokenizer's" if source == "tokenizer" else short_path(source)
    variables = loaded.chat_template_kwargs
    return f"{name} ({options(variables)})" if variables else name


def _tokens(talk: Conversation, loaded: Loaded) -> str:
    room = Room.of(loaded.model)
    limit = room.for_answer(talk.sampling.max_new_tokens)
    parts = [f"{talk.sampling}, up to {limit:,} an answer"]
    if room.context is not None:
        parts.append(f"{room.context:,} together with the prompt")
    config = loaded.model.generation_config
    own = {name: getattr(config, name, None) for name in _OWN}
    if talk.sampling.temperature == 0 and config.do_sample:
        given = options({name: value for name, value in own.items() if value is not None})
        parts.append(f"the model's own sampling: {given}")
    return "; ".join(parts)
