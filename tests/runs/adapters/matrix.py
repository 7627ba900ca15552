"""`python -m tests.runs.adapters.matrix [TYPE ...]`: every adapter, on a tiny decoder.

Each is trained for 20 steps from a recipe, saved, put on the base again by plain PEFT,
and merged by it where it can be. Prints a table: the loss on the rows before and after,
how far the loss of the reloaded model and of the merged one is from it, or what was said.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from recipe_runner.compiler.machine import machine
from recipe_runner.components.adapter import Adapter
from recipe_runner.components.base import create, discover
from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.pipeline import compile_file
from tests.runs.train.by_hand import Recorder

AXIS = "recipe_runner.components.adapters"
STEPS = 20
NEAR = 2e-4
"""Losses of one model that are as near as this are the same, in float32."""

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
SMALL: Mapping[str, Mapping[str, Any]] = {
    "adamss": {"r": 8, "num_subspaces": 2},
    "beft": {"target_modules": ["v_proj"]},
    "c3a": {"block_size": 16},
    "cartridge": {"num_virtual_tokens": 4},
    "fourierft": {"n_frequency": 100},
    "lily": {"r": 8},
    "lora": {"r": 4},
    "miss": {"r": 8},
    "oft": {"oft_block_size": 16},
    "osf": {"effective_rank": 8},
    "p_tuning": {"num_virtual_tokens": 4},
    "prefix_tuning": {"num_virtual_tokens": 4},
    "prompt_tuning": {"num_virtual_tokens": 4},
    "psoft": {"r": 8},
    "randlora": {"r": 8},
    "road": {"group_size": 16},
    "shira": {"r": 4},
    "trainable_tokens": {"token_indices": [20, 21, 22, 23, 24, 25]},
    "vblora": {"num_vectors": 16, "vector_length": 32},
    "vera": {"r": 16},
    "pvera": {"r": 16},
    "waveft": {"n_frequency": 100},
}
"""Options that fit layers of 32 to 160 inputs and outputs, for the types whose defaults do not."""

LORA: Mapping[str, Mapping[str, Any]] = {
    "rsLoRA": {"use_rslora": True},
    "DoRA": {"use_dora": True},
    "gaussian": {"init_lora_weights": "gaussian"},
    "orthogonal": {"init_lora_weights": "orthogonal"},
    "PiSSA": {"init_lora_weights": "pissa"},
    "PiSSA, fast SVD": {"init_lora_weights": "pissa_niter_4"},
    "OLoRA": {"init_lora_weights": "olora"},
    "MiCA": {"init_lora_weights": "mica"},
    "EVA": {"init_lora_weights": "eva"},
    "CorDA": {"init_lora_weights": "corda", "target_modules": ATTENTION},
    "CorDA, knowledge": {
        "init_lora_weights": "corda",
        "corda_config": {"corda_method": "kpm"},
        "target_modules": ATTENTION,
    },
    "LoRA-GA": {"init_lora_weights": "lora_ga", "target_modules": ATTENTION},
    "LoftQ": {"init_lora_weights": "loftq"},
    "KaSA": {"kasa_config": {}},
    "MonteCLoRA": {"monteclora_config": {}},
    "VeLoRA": {"velora_config": {"num_groups": 8}},
    "BD-LoRA": {
        "bdlora": {"nblocks": 2, "target_modules_bd_a": ["q_proj"], "target_modules_bd_b": []},
        "target_modules": ["q_proj"],
    },
    "aLoRA": {"alora_invocation_tokens": "please answer"},
    "rank pattern": {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"q_proj": 2.0}},
    "expert parameters": {
        "target_modules": ["q_proj"],
        "target_parameters": ["mlp.down_proj.weight"],
    },
    "one layer": {"layers_to_transform": [1], "target_modules": ATTENTION},
    "replicated layers": {"layer_replication": [[0, 2], [1, 2]], "target_modules": ["q_proj"]},
    "tokens": {"trainable_token_indices": [20, 21, 22]},
    "saved head": {"modules_to_save": ["lm_head"]},
    "saved embeddings": {"modules_to_save": ["embed_tokens"]},
    "biases of its own": {"lora_bias": True},
}
"""LoRA's variants, by the names that people have for them."""


@dataclass(frozen=True)
class Case:
    """An adapter with its options, as in a recipe."""

    type: str
    variant: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    quantization: str | Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """What the table calls it."""
        name = f"{self.type} {self.variant}".strip()
        return f"{name} on {self.quantization}" if self.quantization else name


@dataclass(frozen=True)
class Result:
    """Losses on the rows: before, after, of the reloaded and of the merged model; or what was said.

    `merged` is None where the method cannot be merged, `said` then tells why.
    """

    before: float = 0.0
    after: float = 0.0
    reloaded: float = 0.0
    merged: float | None = None
    said: str = ""

    @property
    def works(self) -> bool:
        """True where the loss fell, and every model has the same."""
        same = [self.reloaded] + ([self.merged] if self.merged is not None else [])
        return 0 < self.after < self.before and all(abs(x - self.after) < NEAR for x in same)

    def __str__(self) -> str:
        if not self.after:
            return self.said
        merged = f"{self.merged - self.after:+.0e}" if self.merged is not None else self.said
        mark = "ok " if self.works else "NO "
        return (
            f"{mark} {self.before:8.4f} ->{self.after:8.4f}   reloaded "
            f"{self.reloaded - self.after:+.0e}   merged {merged}"
        )


def cases(types: Sequence[str] = ()) -> Iterator[Case]:
    """Each type of adapter, then LoRA's variants."""
    for name, kind in discover(AXIS).items():
        # One that is trained further has no method of its own.
        if kind.upstream is not None and (not types or name in types):
            yield Case(name, "", SMALL.get(name, {}))
    if not types or "lora" in types:
        for variant, options in LORA.items():
            yield Case("lora", variant, {"r": 4, **options})
        yield Case("lora", "", {"r": 4}, "bnb_4bit")
        yield Case("lora", "", {"r": 4}, "bnb_8bit")


def recipe_of(case: Case, folder: Path, model: Path) -> Path:
    """Write the recipe of a case and its rows into `folder`."""
    rows = [
        {"text": f"what is {a} + {b} please answer {a + b}"} for a in range(4) for b in range(4)
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    kind = discover(AXIS)[case.type]
    assert issubclass(kind, Adapter)
    recipe: dict[str, Any] = {
        "recipe": 1,
        "model": str(model),
        "adapter": {"type": case.type, **case.options},
        "data": {"train": "rows.jsonl", "eval": "rows.jsonl", "max_length": 64},
        "algorithm": "sft",
        "training": {
            "max_steps": STEPS,
            "global_batch_size": 16,
            "per_device_eval_batch_size": 16,
            "learning_rate": min(3e-3 * kind.learning_rate_factor, 5e-2),
            "warmup_steps": 0,
            "eval_on_start": True,
            "eval_strategy": "steps",
            "eval_steps": STEPS,
            "load_best_model_at_end": False,
            "save_strategy": "no",
        },
        "launch": {"use_cpu": True, "num_processes": 1},
        "output_dir": str(folder / "run"),
    }
    if case.quantization:
        recipe["quantization"] = case.quantization
    file = folder / "recipe.yaml"
    file.write_text(json.dumps(recipe), encoding="utf-8")
    return file


def _spelled(options: Mapping[str, Any], model: Path) -> dict[str, Any]:
    """The options with a text in place of token ids turned into those of the model's tokenizer."""
    text = options.get("alora_invocation_tokens")
    if not isinstance(text, str):
        return dict(options)
    from transformers import AutoTokenizer

    ids = AutoTokenizer.from_pretrained(model)(f" {text}", add_special_tokens=False)["input_ids"]
    return {**options, "alora_invocation_tokens": ids}


@dataclass(frozen=True)
class Trained:
    """The evaluation loss before and after 20 steps, and the adapter that was saved; or what was said."""

    before: float = 0.0
    after: float = 0.0
    saved: Path | None = None
    said: str = ""


def trained(case: Case, folder: Path, model: Path) -> Trained:
    """Train a case from its recipe, in this process."""
    from recipe_runner.execute.launch import launch

    file = recipe_of(case, folder, model)
    compiled = compile_file(str(file), machine("cpu"), cwd=folder)
    if compiled.plan is None:
        return Trained(said=said(compiled.report))
    try:
        outcome = launch(compiled.plan, file.read_text(), "", Recorder(), overwrite=True)
    except DiagnosticError as error:
        return Trained(said=said(error.diagnostics))
    lines = (outcome.run_dir / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    losses = [row["eval_loss"] for row in map(json.loads, lines) if "eval_loss" in row]
    return Trained(losses[0], losses[-1], outcome.model)


def run(case: Case, folder: Path, model: Path) -> Result:
    """Train a case in this process, and load what it left with plain PEFT."""
    case = replace(case, options=_spelled(case.options, model))
    found = trained(case, folder, model)
    if found.saved is None:
        return Result(said=found.said)
    reloaded, merged, why = _by_hand(case, found.saved, model, folder / "rows.jsonl")
    return Result(found.before, found.after, reloaded, merged, why)


def _by_hand(case: Case, saved: Path, base: Path, rows: Path) -> tuple[float, float | None, str]:
    """The losses of the reloaded and of the merged model, by transformers and PEFT alone, or why not."""
    from peft import PeftModel
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(saved)
    model = PeftModel.from_pretrained(_base(base, case), saved).eval()
    loss = loss_of(model, tokenizer, rows)
    adapter: Adapter = create(AXIS, {"type": case.type, **case.options})
    if (why := adapter.unmergeable()) is not None:
        return loss, None, why
    if case.quantization:
        return loss, None, "the base is quantized"
    try:
        merged = model.merge_and_unload()
    except (RuntimeError, ValueError) as refused:
        # Some biases only go into layers that have one.
        return loss, None, f"PEFT: {refused}"
    return loss, loss_of(merged, tokenizer, rows), ""


def _base(base: Path, case: Case) -> Any:
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    options: dict[str, Any] = {}
    if case.quantization == "bnb_4bit":
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype="float32",
        )
    elif case.quantization:
        options["quantization_config"] = BitsAndBytesConfig(load_in_8bit=True)
    return as_stored(AutoModelForCausalLM.from_pretrained(base, dtype="float32", **options))


def as_stored(model: Any) -> Any:
    """The model with its 4-bit weights as they are in the file.

    On a CPU with AVX512-BF16 they are packed anew, which fails for layers whose inputs are no
    multiple of a block. Source: bitsandbytes 0.50, `_convert_weight_packed_for_cpu`.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False
    return model


def loss_of(model: Any, tokenizer: Any, rows: Path) -> float:
    """Cross entropy per token over all rows in one batch, as the evaluation has it."""
    import torch
    from torch.nn.functional import cross_entropy

    texts = [
        json.loads(line)["text"] + tokenizer.eos_token for line in rows.read_text().splitlines()
    ]
    batch = tokenizer(texts, return_tensors="pt", padding=True, padding_side="right")
    batch.pop("token_type_ids", None)
    with torch.no_grad():
        logits = model(**batch).logits
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    # Virtual tokens have logits too, and the last of them predicts the first token.
    known = logits.shape[1] - labels.shape[1]
    predicted = logits[:, max(known - 1, 0) : -1].flatten(0, 1).float()
    return float(cross_entropy(predicted, labels[:, 0 if known else 1 :].flatten()))


def said(diagnostics: Any) -> str:
    errors = [d for d in diagnostics if d.severity == "error"]
    return "; ".join(f"{d.code.id} {d.message}" for d in errors)


def main(types: Sequence[str]) -> int:
    """Run the cases and print the table; the exit code counts what does not work."""
    from tests.tiny import tiny_model

    failed, working = 0, set()
    with tempfile.TemporaryDirectory() as where:
        root = Path(where)
        model = tiny_model(root / "model")
        for number, case in enumerate(cases(types)):
            folder = root / str(number)
            folder.mkdir()
            begun = time.monotonic()
            result = run(case, folder, model)
            failed += not result.works
            working |= {case.type} if result.works else set()
            print(f"{case.name:28} {time.monotonic() - begun:4.1f} s  {result}", flush=True)
    print(f"{len(working)} types of PEFT work")
    return min(failed, 100)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
