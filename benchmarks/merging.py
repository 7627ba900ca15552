"""The processes of `benchmarks.merge`: makes a run that has ended, or merges it as PEFT does.

`python -m benchmarks.merging make FOLDER LAYERS | imports | plain ADAPTER OUT`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks import assets

_RECIPE = """\
recipe: 1
model: {{name_or_path: {model}, dtype: bfloat16}}
data: {{train: {data}}}
algorithm: sft
adapter: {{type: lora, r: 16}}
training: {{global_batch_size: 4, max_steps: 1}}
output_dir: {output}
"""


def main(what: str, *arguments: str) -> None:
    """Do one of the three."""
    if what == "make":
        _make(Path(arguments[0]), int(arguments[1]))
    elif what == "imports":
        _imports()
    else:
        _plain(Path(arguments[0]), Path(arguments[1]))


def _make(folder: Path, layers: int) -> None:
    import torch
    from peft import get_peft_model
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from recipe_runner.compiler.machine import machine
    from recipe_runner.execute import record
    from recipe_runner.execute.build import build
    from recipe_runner.execute.record import RunDirectory
    from recipe_runner.pipeline import compile_text

    made = assets.make(folder / "assets", 100)
    tokenizer = AutoTokenizer.from_pretrained(made.model)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=32_000,
        hidden_size=2048,
        intermediate_size=5632,
        num_hidden_layers=layers,
        num_attention_heads=32,
        num_key_value_heads=4,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.set_default_dtype(torch.bfloat16)
    LlamaForCausalLM(config).save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    text = _RECIPE.format(
        model=json.dumps(str(folder / "model")),
        data=json.dumps(str(made.chats(100))),
        output=json.dumps(str(folder / "run")),
    )
    plan = compile_text(text, str(folder / "recipe.yaml"), machine("cpu"), cwd=folder).plan
    assert plan is not None
    assert plan.adapter is not None
    base = LlamaForCausalLM.from_pretrained(folder / "model")
    model: Any = get_peft_model(base, build(plan.adapter))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.02)
    run = RunDirectory(folder / "run")
    run.path.mkdir()
    record.start(run, plan, text, text, ["recipe-run", "train"])
    model.save_pretrained(run.model)
    tokenizer.save_pretrained(run.model)
    record.finish(run, "finished", 0)


def _imports() -> None:
    from peft import PeftModel  # noqa: F401
    from transformers import AutoTokenizer, LlamaForCausalLM  # noqa: F401

    import recipe_runner.execute.merge.merge  # noqa: F401


def _plain(adapter: Path, out: Path) -> None:
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoTokenizer

    model: Any = AutoPeftModelForCausalLM.from_pretrained(str(adapter), dtype="auto")
    model.merge_and_unload().save_pretrained(str(out))
    AutoTokenizer.from_pretrained(str(adapter)).save_pretrained(str(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
