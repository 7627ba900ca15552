"""What `train` says before a run, and after it: the result, where it is, what to do with it."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path

from recipe_runner.cli.layout import Line, labelled, paint, short_path
from recipe_runner.cli.plan_page import training_lines
from recipe_runner.cli.screen import visible
from recipe_runner.execute.outcome import Outcome, Scored
from recipe_runner.execute.screen import duration
from recipe_runner.plan import Plan

_BEFORE = ("batch", "steps", "schedule")


def headline(plan: Plan, *, width: int, color: bool = False) -> str:
    """What is about to run, in a few lines."""
    launch, machine = plan.launch, plan.machine
    many = f"{launch.num_processes} processes" if launch.num_processes > 1 else "1 process"
    kind = machine.kind if machine.accelerators else "CPU"
    adapter = "in full" if plan.adapter is None else plan.adapter.target.partition(":")[2]
    lines = [("model", f"{short_path(plan.model.name_or_path)}, {adapter}")]
    lines += [line for line in training_lines(plan) if line[0] in _BEFORE]
    lines.append(("on", f"{kind}, {many} ({launch.strategy})"))
    lines.append(("into", short_path(plan.outputs.run_dir)))
    title = paint(f"{plan.name}: {plan.algorithm}", "bold", color)
    return f"{title}\n{labelled(lines, width, color)}"


def finished(outcome: Outcome, plan: Plan, again: str, *, width: int, color: bool = False) -> str:
    """How the run ended. `again` is the command line that goes on with it."""
    if outcome.status == "interrupted":
        lines = [
            ("stopped", f"at step {outcome.step:,} of {outcome.total:,}"),
            ("checkpoint", short_path(str(outcome.checkpoint)) if outcome.checkpoint else "none"),
            ("go on with", again),
        ]
        return f"{paint('Interrupted', 'bold', color)}\n{labelled(lines, width, color)}"
    early = ", stopped early" if outcome.stopped_early else ""
    title = f"Finished in {duration(outcome.seconds)}: {outcome.step:,} steps{early}"
    parts = [f"{paint(title, 'bold', color)}\n{labelled(_result(outcome), width, color)}"]
    if outcome.scored is not None:
        parts.append(_samples(outcome.scored, width, color))
    if outcome.model is not None:
        parts.append(
            f"{paint('Next', 'bold', color)}\n{_next(outcome.model, outcome.scored, plan)}"
        )
    return "\n".join(parts)


def _result(outcome: Outcome) -> Iterator[Line]:
    losses = {"loss": "loss", "eval_loss": "eval loss"}
    told = [f"{losses[key]} {outcome.metrics[key]:.4f}" for key in losses if key in outcome.metrics]
    if told:
        yield "result", ", ".join(told)
    for number in outcome.watched:
        if number.first == number.last:
            yield number.name, f"{number.last:.3f}"
        else:
            yield number.name, f"{number.first:.3f} at first, {number.last:.3f} at last"
    if outcome.scored is not None:
        scored = outcome.scored
        start = "" if scored.before is None else f"{scored.before:.1%} before, "
        yield "exact match", f"{start}{scored.after:.1%} after, on {scored.rows:,} held-out rows"
    if outcome.model is not None:
        yield "model", short_path(str(outcome.model))
    yield "metrics", short_path(str(outcome.run_dir / "metrics.jsonl"))
    if (outcome.run_dir / "completions.jsonl").exists():
        yield "answers", short_path(str(outcome.run_dir / "completions.jsonl"))
    yield "log", short_path(str(outcome.run_dir / "train.log"))


def _samples(scored: Scored, width: int, color: bool) -> str:
    text = paint("Held-out prompts", "bold", color) + "\n" if scored.samples else ""
    for number, sample in enumerate(scored.samples):
        mark = "right" if sample.after.strip() == sample.expected.strip() else "wrong"
        rows = [("prompt", sample.prompt), ("expected", sample.expected)]
        if scored.before is not None:
            rows.append(("before", sample.before))
        rows.append(("after", f"{sample.after}  ({mark})"))
        cut = [
            (label, textwrap.shorten(visible(said), max(40, width - 20))) for label, said in rows
        ]
        text += ("\n" if number else "") + labelled(cut, width, color)
    return text


def _next(model: Path, scored: Scored | None, plan: Plan) -> str:
    """Code that asks the result something, and what else there is to do with it.

    An adapter's folder names its base, so the same lines load both; only where tokens were
    added is peft needed, which gives the base the new rows of its embeddings first.
    """
    folder = json.dumps(short_path(str(model)), ensure_ascii=False)
    asked = scored.samples[0].prompt if scored is not None and scored.samples else "Hello"
    question = json.dumps([{"role": "user", "content": asked}], ensure_ascii=False)
    if plan.model.sees:
        return _next_to_see(folder, model)
    if plan.model.judges:
        return _next_to_judge(plan, folder, model)
    load = f'  chat = pipeline("text-generation", {folder})'
    lines = ["ask it, in Python:", "  from transformers import pipeline", load]
    if plan.adapter is not None and plan.tokenizer.add_tokens:
        lines = [
            "ask it, in Python:",
            "  from peft import AutoPeftModelForCausalLM",
            "  from transformers import AutoTokenizer, pipeline",
            f"  model = AutoPeftModelForCausalLM.from_pretrained({folder})",
            f"  tokenizer = AutoTokenizer.from_pretrained({folder})",
            '  chat = pipeline("text-generation", model, tokenizer=tokenizer)',
        ]
    lines.append(f"  print(chat({question}, do_sample=False, return_full_text=False))")
    return _lines(lines, model)


def _next_to_see(folder: str, model: Path) -> str:
    """The same for a model that sees."""
    lines = [
        "ask it, in Python:",
        "  from transformers import pipeline",
        f'  chat = pipeline("image-text-to-text", {folder})',
        '  parts = [{"type": "image", "url": "IMAGE"}, {"type": "text", "text": "Hello"}]',
        '  print(chat(text=[{"role": "user", "content": parts}], return_full_text=False))',
    ]
    return _lines(lines, model)


def _next_to_judge(plan: Plan, folder: str, model: Path) -> str:
    """The same for a model that gives numbers instead of words."""
    kind = plan.model.auto_class.partition(":AutoModel")[2]
    load = f"  model = AutoModel{kind}.from_pretrained({folder})"
    lines = [
        "load it, in Python:",
        f"  from transformers import AutoModel{kind}",
        load,
    ]
    if plan.adapter is not None:
        lines[1:] = [
            f"  from peft import AutoPeftModel{kind}",
            load.replace("= Auto", "= AutoPeft"),
        ]
    if plan.feed == "whole_pairs" and plan.adapter is None:
        lines.append(f"let it judge, in a recipe: rewards: {{type: model, model: {folder}}}")
    return _lines(lines, model)


def _lines(asked: list[str], model: Path) -> str:
    card = f"read its card: {short_path(str(model / 'README.md'))}"
    lines = [*asked, card, "write a recipe of your own: recipe-run init"]
    return "".join(f"  {line}\n" for line in lines)
