"""Optimizers of the menu train, move weights and resume, or are refused before anything is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runs.optimizers.menu import STEPS, run
from tests.tiny import tiny_model

pytestmark = pytest.mark.runs


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.mark.parametrize("name", ["muon", "adafactor", "paged_adamw_8bit", "lion_32bit"])
def test_optimizer_trains_and_resumes_exactly(name: str, model: Path, tmp_path: Path) -> None:
    result = run(name, tmp_path, model)
    assert result.works, str(result)


def test_the_result_of_a_schedule_free_run_is_the_average(model: Path, tmp_path: Path) -> None:
    # Between steps a weight is y = (1 - beta1) z + beta1 x (arXiv 2405.15682), and x is the result.
    pytest.importorskip("schedulefree")
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

    assert run("schedule_free_adamw", tmp_path, model).works
    last = tmp_path / "run" / "checkpoints" / f"checkpoint-{STEPS}"
    between = AutoModelForCausalLM.from_pretrained(last)
    state = torch.load(last / "optimizer.pt", weights_only=True)
    order = [index for group in state["param_groups"] for index in group["params"]]
    trainer = Trainer(
        between, TrainingArguments(use_cpu=True, optim="sgd", output_dir=str(tmp_path))
    )
    parameters = [p for group in trainer.create_optimizer().param_groups for p in group["params"]]
    names = {id(parameter): name for name, parameter in between.named_parameters()}
    result = load_file(tmp_path / "run" / "model" / "model.safetensors")
    for index, y in zip(order, parameters, strict=True):
        z = state["state"][index]["z"]
        expected = (y.detach() - 0.1 * z) / 0.9
        torch.testing.assert_close(result[names[id(y)]], expected, rtol=1e-5, atol=1e-6)


def test_muon_steps_matrices_as_torch_does_and_the_rest_as_adamw() -> None:
    import torch

    from recipe_runner.execute.optimizers.muon import MATRICES, MuonAndAdamW

    torch.manual_seed(0)
    matrix, vector = torch.randn(6, 4), torch.randn(5)
    ours = [torch.nn.Parameter(matrix.clone()), torch.nn.Parameter(vector.clone())]
    theirs = [torch.nn.Parameter(matrix.clone()), torch.nn.Parameter(vector.clone())]
    both = MuonAndAdamW(
        [
            {"params": ours[:1], MATRICES: True, "weight_decay": 0.1},
            {"params": ours[1:], MATRICES: False, "weight_decay": 0.0},
        ],
        lr=1e-2,
        betas=(0.9, 0.95),
        eps=1e-8,
        options={"momentum": 0.9},
    )
    muon = torch.optim.Muon(
        theirs[:1], lr=1e-2, weight_decay=0.1, momentum=0.9, adjust_lr_fn="match_rms_adamw"
    )
    adamw = torch.optim.AdamW(theirs[1:], lr=1e-2, betas=(0.9, 0.95), weight_decay=0.0)
    for _ in range(3):
        for one, other in zip(ours, theirs, strict=True):
            one.grad = torch.randn_like(one)
            other.grad = one.grad.clone()
        both.step()
        muon.step()
        adamw.step()
    for one, other in zip(ours, theirs, strict=True):
        assert torch.equal(one, other)


def test_muon_leaves_embeddings_and_head_to_adamw(model: Path) -> None:
    from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

    from recipe_runner.execute.optimizers.muon import MATRICES, MuonFactory

    loaded = AutoModelForCausalLM.from_pretrained(model)
    names = {id(parameter): name for name, parameter in loaded.named_parameters()}
    optimizer = MuonFactory()(
        loaded,
        arguments=TrainingArguments(use_cpu=True, weight_decay=0.1),
        options={},
        decay_names=Trainer(loaded, TrainingArguments(use_cpu=True)).get_decay_parameter_names,
    )
    by_muon = {
        names[id(p)] for group in optimizer.param_groups if group[MATRICES] for p in group["params"]
    }
    assert by_muon == {name for name in names.values() if "proj" in name}
