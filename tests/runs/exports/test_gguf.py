"""GGUF files by the package that reads them: weights, numbers and tokens are the model's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from recipe_runner.diagnostics import DiagnosticError
from recipe_runner.execute.exports.gguf_file.architectures import ARCHITECTURES
from recipe_runner.execute.exports.samples import SAMPLES, distance, texts_for
from recipe_runner.execute.exports.target import Job, targets
from recipe_runner.execute.record import RunDirectory
from recipe_runner.plan import Plan
from tests.runs.exports import models
from tests.runs.exports.cases import CASES, LLAMA3_ROPE, YARN
from tests.tiny import tiny_tokenizer
from tests.workshop import Workshop, recipe

pytestmark = pytest.mark.runs
pytest.importorskip("torch")
gguf = pytest.importorskip("gguf")
np = pytest.importorskip("numpy")


def ignored(*told: object) -> None:
    del told


@pytest.fixture(name="plan", scope="module")
def make_plan(shop: Workshop) -> Plan:
    return shop.plan(recipe(name="tiny", description="A test.", tags=["small"]))


@pytest.fixture(name="llama", scope="module")
def make_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("llama")
    models.tokenizer(folder, models.QWEN2)
    models.decoder(folder, "llama", rows=448)
    return folder


def job(plan: Plan, source: Path, folder: Path, kind: str = "auto") -> Job:
    folder.mkdir(exist_ok=True)
    run = RunDirectory(source.parent)
    return Job(plan, run, source, folder, "tiny", kind, ignored, ignored)


def written(plan: Plan, source: Path, folder: Path, kind: str = "auto") -> Any:
    target = targets()["gguf"]
    asked = job(plan, source, folder, kind)
    target.write(asked)
    assert target.verify(asked, trial=False)
    (path,) = folder.glob("*.gguf")
    return gguf.GGUFReader(path)


def value(reader: Any, key: str) -> Any:
    field = reader.get_field(key)
    assert field is not None, key
    return field.contents()


def test_queries_and_keys_are_in_the_order_of_llama_cpp(
    plan: Plan, llama: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    reader = written(plan, llama, tmp_path)
    tensors = {tensor.name: tensor.data for tensor in reader.tensors}
    model = AutoModelForCausalLM.from_pretrained(llama)
    layer = model.model.layers[1]
    # A head of 16 numbers: transformers turns number 0 with number 8, llama.cpp with number 1.
    # So the rows of the first head are 0, 8, 1, 9, ..., 7, 15 there.
    order = [half * 8 + pair for pair in range(8) for half in range(2)]
    query = layer.self_attn.q_proj.weight.detach().numpy()
    np.testing.assert_array_equal(tensors["blk.1.attn_q.weight"][:16], query[order])
    key = layer.self_attn.k_proj.weight.detach().numpy()
    second = [16 + row for row in order]
    np.testing.assert_array_equal(tensors["blk.1.attn_k.weight"][16:32], key[second])
    value_ = layer.self_attn.v_proj.weight.detach().numpy()
    np.testing.assert_array_equal(tensors["blk.1.attn_v.weight"], value_)


def test_numbers_tokens_and_template_are_the_models(
    plan: Plan, llama: Path, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    reader = written(plan, llama, tmp_path)
    known = AutoTokenizer.from_pretrained(llama)
    assert value(reader, "general.architecture") == "llama"
    assert value(reader, "general.name") == "tiny"
    assert value(reader, "llama.block_count") == 4
    assert value(reader, "llama.attention.head_count_kv") == 2
    assert value(reader, "llama.rope.dimension_count") == 16
    assert value(reader, "tokenizer.ggml.pre") == "qwen2"
    tokens = value(reader, "tokenizer.ggml.tokens")
    assert len(tokens) == 448
    vocabulary = known.get_vocab()
    assert tokens[: len(vocabulary)] == sorted(vocabulary, key=vocabulary.__getitem__)
    kinds = value(reader, "tokenizer.ggml.token_type")
    assert kinds[known.eos_token_id] == gguf.TokenType.CONTROL
    assert kinds[447] == gguf.TokenType.UNUSED
    assert value(reader, "tokenizer.ggml.eos_token_id") == known.eos_token_id
    assert value(reader, "tokenizer.ggml.add_bos_token") is False
    template = value(reader, "tokenizer.chat_template")
    assert "generation" not in template.replace("add_generation_prompt", "")
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    one, other = (
        known.apply_chat_template(turns, tokenize=False, chat_template=each)
        for each in (template, known.chat_template)
    )
    assert one == other
    # Nothing of this machine is in the file.
    assert str(llama).encode() not in next(tmp_path.glob("*.gguf")).read_bytes()


# Bits of a weight: a block of 32 has a 16-bit scale, and for some an offset of 16 bits.
BITS = {
    "f32": 32,
    "f16": 16,
    "bf16": 16,
    "q8_0": 8.5,
    "q5_1": 6,
    "q5_0": 5.5,
    "q4_1": 5,
    "q4_0": 4.5,
}


@pytest.mark.parametrize("kind", BITS)
def test_a_type_takes_its_bits_and_stays_near(
    kind: str, plan: Plan, llama: Path, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM

    reader = written(plan, llama, tmp_path, kind)
    (tensor,) = (each for each in reader.tensors if each.name == "blk.0.ffn_up.weight")
    assert tensor.n_bytes == 96 * 64 * BITS[kind] / 8
    model = AutoModelForCausalLM.from_pretrained(llama)
    whole = model.model.layers[0].mlp.up_proj.weight.detach().numpy()
    found = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
    error = float(np.sqrt(np.mean((whole - found) ** 2)) / whole.std())
    # The largest of 32 normal numbers is about two deviations; steps divide it by 2**bits / 2.
    expected = {"f32": 0, "f16": 2**-11, "bf16": 2**-8}
    assert error <= expected.get(kind, 2.0 / 2 ** (int(BITS[kind]) - 1))
    vectors = {each.tensor_type for each in reader.tensors if each.name.endswith("norm.weight")}
    assert vectors == {gguf.GGMLQuantizationType.F32}


def refusal(plan: Plan, source: Path, folder: Path, kind: str = "auto") -> tuple[str, str]:
    with pytest.raises(DiagnosticError) as caught:
        targets()["gguf"].write(job(plan, source, folder, kind))
    (found,) = caught.value.diagnostics
    return found.code.id, found.message


def changed(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_every_architecture_has_a_case() -> None:
    assert {str(case.values[0]) for case in CASES} == set(ARCHITECTURES)


@pytest.mark.parametrize("strength", [None, 1.1386294361119891])
def test_the_usual_yarn_is_written(strength: float | None, plan: Plan, tmp_path: Path) -> None:
    # 0.1 ln 4 + 1 is what llama.cpp computes by itself, and is not told.
    source = tmp_path / "model"
    models.tokenizer(source, models.QWEN2)
    models.decoder(source, "llama", rope_parameters={**YARN, "attention_factor": strength})
    reader = written(plan, source, tmp_path / "out")
    assert value(reader, "llama.rope.scaling.factor") == 4
    assert reader.get_field("llama.rope.scaling.attn_factor") is None
    assert reader.get_field("llama.rope.scaling.yarn_attn_factor") is None


@pytest.mark.parametrize(
    ("family", "changes", "words"),
    [
        pytest.param("gpt_neox", {}, "a gpt_neox model has no known form", id="unknown"),
        pytest.param("mistral", {"sliding_window": 64}, "looks back 64 tokens only", id="window"),
        pytest.param("llama", {"hidden_act": "gelu"}, "its activation is gelu", id="activation"),
        pytest.param("qwen3", {"attention_bias": True}, "has biases", id="biases"),
        pytest.param(
            "llama",
            {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}},
            "positions are scaled by dynamic",
            id="positions",
        ),
        pytest.param(
            "qwen3",
            {"rope_parameters": {**YARN, "attention_factor": 1.0}},
            "yarn with a strength of 1",
            id="yarn-attention-factor",
        ),
        pytest.param(
            "llama",
            {"rope_parameters": {**YARN, "mscale": 1.0, "mscale_all_dim": 0.8}},
            # (0.1 ln 4 + 1) / (0.08 ln 4 + 1)
            "yarn with a strength of 1.025",
            id="yarn-mscale",
        ),
        pytest.param(
            "llama",
            {"rope_parameters": {**YARN, "truncate": False}},
            "a range that is not cut",
            id="yarn-truncate",
        ),
        pytest.param(
            "llama",
            {"rope_parameters": {**YARN, "partial_rotary_factor": 0.5}},
            "turn 0.5 of a head",
            id="yarn-part",
        ),
        pytest.param(
            "granite",
            {"rope_parameters": LLAMA3_ROPE},
            "which granite has not",
            id="llama3-granite",
        ),
        pytest.param(
            "olmo2", {"rope_parameters": LLAMA3_ROPE}, "which olmo2 has not", id="llama3-olmo2"
        ),
    ],
)
def test_a_model_that_llama_cpp_would_compute_otherwise_is_refused(
    family: str, changes: dict[str, Any], words: str, plan: Plan, tmp_path: Path
) -> None:
    source = tmp_path / "model"
    models.tokenizer(source, models.QWEN2)
    models.decoder(source, family, **changes)
    code, message = refusal(plan, source, tmp_path / "out")
    assert code == "RR737"
    assert words in message


def with_template(llama: Path, folder: Path, template: Any) -> Path:
    from transformers import AutoTokenizer

    shutil.copytree(llama, folder)
    (folder / "chat_template.jinja").unlink()
    known = AutoTokenizer.from_pretrained(folder)
    known.chat_template = template
    known.save_pretrained(folder)
    return folder


DEMANDING = (
    "{% if messages[0].role != 'system' %}{{ raise_exception('no system turn') }}{% endif %}"
    "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}"
)
IMPOSSIBLE = "{{ raise_exception('never') }}{% generation %}{% endgeneration %}"


@pytest.mark.parametrize("template", [DEMANDING, IMPOSSIBLE], ids=["system", "never"])
def test_a_template_that_refuses_the_samples_goes_along(
    template: str, plan: Plan, llama: Path, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    source = with_template(llama, tmp_path / "model", template)
    found = value(written(plan, source, tmp_path / "out"), "tokenizer.chat_template")
    assert "generation" not in found
    assert "raise_exception" in found
    texts = texts_for(AutoTokenizer.from_pretrained(source))
    assert len(texts) == len(SAMPLES) + (template == DEMANDING)


def test_of_several_templates_the_default_is_the_one(
    plan: Plan, llama: Path, tmp_path: Path
) -> None:
    named = {"default": "{{ messages[0].content }}", "tool_use": "tools {{ tools }}"}
    source = with_template(llama, tmp_path / "model", named)
    reader = written(plan, source, tmp_path / "out")
    assert value(reader, "tokenizer.chat_template") == named["default"]
    assert value(reader, "tokenizer.chat_template.tool_use") == named["tool_use"]


def test_a_judge_is_refused(plan: Plan, llama: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    source = tmp_path / "model"
    models.tokenizer(source, models.QWEN2)
    AutoModelForSequenceClassification.from_pretrained(llama, num_labels=1).save_pretrained(source)
    code, message = refusal(plan, source, tmp_path / "out")
    assert (code, "LlamaForSequenceClassification" in message) == ("RR737", True)


def test_a_tokenizer_that_cuts_in_its_own_way_is_refused(plan: Plan, tmp_path: Path) -> None:
    source = tmp_path / "model"
    tiny_tokenizer(source)
    models.decoder(source, "llama")
    code, message = refusal(plan, source, tmp_path / "out")
    assert (code, "does not know by a name" in message) == ("RR738", True)


def test_a_weight_that_does_not_fit_is_refused(plan: Plan, tmp_path: Path) -> None:
    import torch

    source = tmp_path / "model"
    models.tokenizer(source, models.QWEN2)
    model = models.decoder(source, "llama")
    with torch.no_grad():
        model.model.layers[3].mlp.down_proj.weight[0, 0] = 70_000
    model.save_pretrained(source)
    code, message = refusal(plan, source, tmp_path / "out", "f16")
    assert (code, "layers.3.mlp.down_proj" in message) == ("RR740", True)
    written(plan, source, tmp_path / "whole", "bf16")


def test_a_weight_that_is_not_finite_is_refused(plan: Plan, tmp_path: Path) -> None:
    import torch

    source = tmp_path / "model"
    models.tokenizer(source, models.QWEN2)
    model = models.decoder(source, "llama").to(torch.bfloat16)
    with torch.no_grad():
        model.model.layers[2].mlp.up_proj.weight[3, 3] = float("nan")
    model.save_pretrained(source)
    for kind in ("auto", "q8_0"):
        code, message = refusal(plan, source, tmp_path / kind, kind)
        assert (code, "layers.2.mlp.up_proj" in message) == ("RR703", True)


@pytest.mark.parametrize(
    ("kind", "damage"),
    [
        pytest.param("f32", b"\xff\x00\xff\x00", id="f32"),
        pytest.param("f32", b"\x00\x00\xc0\x7f", id="f32-nan"),
        pytest.param("bf16", b"\xc0\x7f", id="bf16-nan"),
        # The first two bytes of a block are its scale.
        pytest.param("q8_0", b"\x00\x7e", id="q8_0-nan"),
        pytest.param("q4_0", b"\x00\x7e", id="q4_0-nan"),
    ],
)
def test_a_file_that_was_damaged_is_found(
    kind: str, damage: bytes, plan: Plan, llama: Path, tmp_path: Path
) -> None:
    asked = job(plan, llama, tmp_path, kind)
    target = targets()["gguf"]
    target.write(asked)
    (path,) = tmp_path.glob("*.gguf")
    tensors = gguf.GGUFReader(path).tensors
    (begin,) = (int(each.data_offset) for each in tensors if each.name == "blk.0.ffn_up.weight")
    del tensors
    content = bytearray(path.read_bytes())
    content[begin : begin + len(damage)] = damage
    path.write_bytes(content)
    with pytest.raises(DiagnosticError, match=r"RR739.*blk\.0\.ffn_up\.weight"):
        target.verify(asked, trial=False)


def test_logits_that_are_not_finite_are_infinitely_far_away() -> None:
    whole = np.arange(12, dtype=np.float32).reshape(3, 4)
    broken = whole.copy()
    broken[1, 1] = np.nan
    for one, other in ((whole, broken), (broken, whole), (broken, broken)):
        assert distance([whole, one], [whole, other]).apart == float("inf")
    assert distance([whole], [whole]).apart == 0
    assert "not all finite" in distance([whole], [broken]).away("the model")
