"""Scoring by greedy answers, against decoding by hand."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest

pytestmark = pytest.mark.runs
torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

ROWS = [
    [{"role": "user", "content": text}, {"role": "assistant", "content": "a"}]
    for text in ["x", 'Reverse the word "stone".', "a longer question, by far the longest here"]
]


@pytest.fixture(name="parts")
def make_parts() -> tuple[Any, Any]:
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(
        str(files("recipe_runner.shipped") / "tokenizers" / "quickstart")
    )
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        initializer_range=0.5,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    torch.manual_seed(0)
    return LlamaForCausalLM(config), tokenizer


def greedy_by_hand(model: Any, tokenizer: Any, prompt: list[dict[str, str]], steps: int) -> str:
    """One prompt, no padding, no cache, one token at a time."""
    text = tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    start = len(ids)
    model.eval()
    for _ in range(steps):
        with torch.no_grad():
            best = int(model(torch.tensor([ids])).logits[0, -1].argmax())
        if best == tokenizer.eos_token_id:
            break
        ids.append(best)
    return str(tokenizer.decode(ids[start:], skip_special_tokens=True))


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_answers_are_greedy_and_do_not_depend_on_the_batch(
    parts: tuple[Any, Any], batch_size: int
) -> None:
    from recipe_runner.execute.score import exact_match

    model, tokenizer = parts
    score = exact_match(model, tokenizer, ROWS, max_new_tokens=6, batch_size=batch_size)
    by_hand = [greedy_by_hand(model, tokenizer, row[:1], 6) for row in ROWS]
    assert len(set(by_hand)) > 1  # otherwise the order of answers is not tested
    assert [row.answer for row in score.rows] == by_hand
    assert [row.prompt for row in score.rows] == [tuple(row[:1]) for row in ROWS]


def test_accuracy_is_the_fraction_of_equal_answers(parts: tuple[Any, Any]) -> None:
    from recipe_runner.execute.score import exact_match

    model, tokenizer = parts
    right = greedy_by_hand(model, tokenizer, ROWS[1][:1], 4)
    rows = [ROWS[0], [*ROWS[1][:1], {"role": "assistant", "content": right}]]
    score = exact_match(model, tokenizer, rows, max_new_tokens=4)
    assert [row.correct for row in score.rows] == [False, True]
    assert score.accuracy == 0.5
    assert exact_match(model, tokenizer, [], max_new_tokens=4).accuracy == 0.0


def test_the_last_assistant_turn_is_asked_for(parts: tuple[Any, Any]) -> None:
    from recipe_runner.execute.score import exact_match

    model, tokenizer = parts
    turns = [*ROWS[0], {"role": "user", "content": "y"}, {"role": "assistant", "content": "b"}]
    follow_up = {"role": "user", "content": "thanks"}
    (row,) = exact_match(model, tokenizer, [[*turns, follow_up]], max_new_tokens=3).rows
    assert row.prompt == tuple(turns[:3])
    assert row.expected == "b"
    assert row.answer == greedy_by_hand(model, tokenizer, turns[:3], 3)


def test_a_conversation_without_an_answer_is_named(parts: tuple[Any, Any]) -> None:
    from recipe_runner.execute.score import exact_match

    model, tokenizer = parts
    with pytest.raises(ValueError, match="conversation 2 has no assistant turn"):
        exact_match(model, tokenizer, [ROWS[0], ROWS[0][:1]], max_new_tokens=3)


def test_model_and_tokenizer_are_left_as_they_were(parts: tuple[Any, Any]) -> None:
    from recipe_runner.execute.score import exact_match

    model, tokenizer = parts
    model.train()
    model.model.layers[0].eval()  # a frozen part stays in evaluation mode
    model.config.use_cache = False
    modes = [module.training for module in model.modules()]
    settings = model.generation_config.to_dict()
    exact_match(model, tokenizer, ROWS, max_new_tokens=3)
    assert [module.training for module in model.modules()] == modes
    assert model.generation_config.to_dict() == settings
    assert model.config.use_cache is False
    assert tokenizer.padding_side == "right"
    assert torch.is_grad_enabled()


def test_prompt_is_rendered_with_the_variables_of_the_training(parts: tuple[Any, Any]) -> None:
    from recipe_runner.execute.score import exact_match

    model, tokenizer = parts
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m.content }}{% endfor %}{% if loud %}!{% endif %}"
    )
    ids: list[Any] = []
    model.register_forward_pre_hook(
        lambda _, __, kwargs: ids.append(kwargs["input_ids"]), with_kwargs=True
    )
    exact_match(model, tokenizer, ROWS[:1], max_new_tokens=1, chat_template_kwargs={"loud": True})
    assert tokenizer.decode(ids[0][0]) == "x!"
