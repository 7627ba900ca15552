"""Rules about models beside the one that trains: references, teachers, and the copy that vLLM has."""

from collections.abc import Iterator

from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.compiler.rules.rule import Finding, rule
from recipe_runner.components.algorithm import Algorithm
from recipe_runner.components.base import settled
from recipe_runner.survey.model import ModelFacts

_REFERENCE = "ref_model"
"""The role of a model that the trained one stays near."""


@rule("RR368", "teacher-vocabulary-differs")
def teacher_vocabulary_differs(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The model is compared with a teacher or a reference token by token, and the two have
    vocabularies of different sizes.

    ## Why it matters

    The probabilities of the one would be compared with those of other words of the other.
    Upstream says so when both have been loaded, cuts one of them in silence, or fails at the
    first token that the other does not have.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: {name_or_path: shipped:quickstart, random_init: true}
    tokenizer: shipped:quickstart
    data: {train: data/chat.jsonl}
    algorithm: {type: gkd, teacher_model: teacher}  # <- RR368
    output_dir: runs/x
    ```

    ```json teacher/config.json
    {"model_type": "llama", "vocab_size": 32000}
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: {name_or_path: shipped:quickstart, random_init: true}
    tokenizer: shipped:quickstart
    data: {train: data/chat.jsonl}
    algorithm: {type: gkd, teacher_model: org/teacher-of-the-same-family}
    output_dir: runs/x
    ```
    """
    algorithm, own = resolved.recipe.algorithm, _vocabulary(resolved.around.model)
    if own is None:
        return
    for role in _compared(algorithm):
        other = _vocabulary(resolved.around.others.get(role))
        if other is not None and other != own:
            name = algorithm.models()[role].name_or_path
            message = f"`{name}` has a vocabulary of {other:,} tokens, and the model one of {own:,}"
            what = "reference" if role == _REFERENCE else "teacher"
            help_text = f"name a {what} of the same family, with its tokenizer"
            yield Finding(("algorithm", role), message, help_text)


def _compared(algorithm: Algorithm) -> list[str]:
    """The roles of models whose probabilities of the same tokens are compared with the model's."""
    models = algorithm.models()
    return [role for role in models if algorithm.shares_vocabulary or role == _REFERENCE]


def _vocabulary(facts: ModelFacts | None) -> int | None:
    if facts is None:
        return None
    size = (facts.config.get("text_config") or facts.config).get("vocab_size")
    return size if isinstance(size, int) else None


@rule("RR370", "reference-of-random-weights")
def reference_of_random_weights(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    The algorithm compares the model with what it was before the first step, and the model
    starts from random weights.

    ## Why it matters

    The reference would be random as well, and a model that stays near random weights learns
    nothing.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: {name_or_path: org/model-id, random_init: true}  # <- RR370
    data: {train: data/pairs.jsonl}
    algorithm: dpo
    output_dir: runs/x
    ```

    ```jsonl data/pairs.jsonl
    {"prompt": "2 + 2 =", "chosen": " 4", "rejected": " 5"}
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/pairs.jsonl}
    algorithm: dpo
    output_dir: runs/x
    ```

    ```jsonl data/pairs.jsonl
    {"prompt": "2 + 2 =", "chosen": " 4", "rejected": " 5"}
    ```
    """
    recipe = resolved.recipe
    algorithm = recipe.algorithm
    named = _REFERENCE in algorithm.models()
    if (
        recipe.model.random_init
        and recipe.adapter is None
        and algorithm.needs_reference
        and not named
    ):
        message = f"`model.random_init` gives random weights, and {algorithm.type} stays near those"
        help_text = "start from a trained model"
        if _REFERENCE in type(algorithm).model_fields:
            help_text += f", or name one in `algorithm.{_REFERENCE}`"
        yield Finding(("model", "random_init"), message, help_text)


@rule("RR376", "no-room-for-a-prompt")
def no_room_for_a_prompt(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    An answer may be as long as a whole row, prompt and answer together.

    ## Why it matters

    Nothing of the prompt would be left. Upstream says so when the trainer is built.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl, max_length: 256}
    algorithm: {type: gold, teacher_model: org/teacher, max_completion_length: 256}  # <- RR376
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl, max_length: 512}
    algorithm: {type: gold, teacher_model: org/teacher, max_completion_length: 256}
    output_dir: runs/x
    ```
    """
    algorithm, length = resolved.recipe.algorithm, settled(resolved.recipe.data.max_length)
    answer = algorithm.arguments().get("max_completion_length")
    if algorithm.feed == "answered_sequences" and answer is not None and length <= answer:
        message = f"an answer has up to {answer} tokens, and `data.max_length` is {length} with the prompt"
        yield Finding(("algorithm",), message, "raise `data.max_length`, or shorten the answers")


@rule("RR383", "vocabulary-grows-alone")
def vocabulary_grows_alone(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    Tokens are added to the model, or its embeddings are made larger, and another model with
    which it is compared token by token stays as it is.

    ## Why it matters

    The other model knows nothing of the added tokens, and its probabilities are one for each
    token that it had. Upstream says so after both were loaded, or fails at the first added token.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    tokenizer: {add_tokens: ["<note>"]}  # <- RR383
    data: {train: data/chat.jsonl}
    algorithm: {type: gkd, teacher_model: org/teacher}
    output_dir: runs/x
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: {type: gkd, teacher_model: org/teacher}
    output_dir: runs/x
    ```
    """
    recipe, own = resolved.recipe, _vocabulary(resolved.around.model)
    algorithm, tokenizer = recipe.algorithm, recipe.tokenizer
    if not algorithm.shares_vocabulary and not _compared(algorithm):
        return
    other = "teacher" if algorithm.shares_vocabulary else "reference"
    size = tokenizer.resize_embeddings_multiple_of
    for key, grows in (
        ("add_tokens", bool(tokenizer.add_tokens)),
        ("resize_embeddings_multiple_of", size is not None and (own is None or own % size != 0)),
    ):
        if grows:
            message = f"`tokenizer.{key}` changes the vocabulary of the model, and the {other} keeps its own"
            help_text = "remove it, or train with it first and compare afterwards"
            yield Finding(("tokenizer", key), message, help_text, of_key=True)


@rule("RR385", "vllm-does-not-fit")
def vllm_does_not_fit(resolved: ResolvedRecipe) -> Iterator[Finding]:
    """## What it means

    vLLM is to answer, and the machine has no GPU for it; or it is to share the GPUs of the
    training, and cannot do so with these processes, or with a base in 8 bits.

    ## Why it matters

    Upstream says so after the model was loaded, and vLLM after minutes of its own.

    ## Example

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/prompts.jsonl}
    algorithm: {type: grpo, use_vllm: true}  # <- RR385
    rewards: {type: exact_match, column: answer}
    launch: {use_cpu: true}
    training: {global_batch_size: 8}
    output_dir: runs/x
    ```

    ```jsonl data/prompts.jsonl
    {"prompt": "2 + 2 =", "answer": "4"}
    {"prompt": "2 + 3 =", "answer": "5"}
    ```

    ## Instead

    ```yaml recipe.yaml
    recipe: 1
    model: org/model-id
    data: {train: data/prompts.jsonl}
    algorithm: grpo
    rewards: {type: exact_match, column: answer}
    launch: {use_cpu: true}
    training: {global_batch_size: 8}
    output_dir: runs/x
    ```

    ```jsonl data/prompts.jsonl
    {"prompt": "2 + 2 =", "answer": "4"}
    {"prompt": "2 + 3 =", "answer": "5"}
    ```
    """
    recipe, options = resolved.recipe, resolved.recipe.algorithm.options()
    if not options.get("use_vllm"):
        return
    if settled(recipe.launch.use_cpu):
        message = "`algorithm.use_vllm` needs a GPU, and the run is on the CPU"
        help_text = "remove it, or use a machine with GPUs"
        yield Finding(("algorithm", "use_vllm"), message, help_text, of_key=True)
        return
    if options["vllm_mode"] != "colocate":
        return
    split, processes = options["vllm_tensor_parallel_size"], settled(recipe.launch.num_processes)
    if processes % split:
        counted = "1 process" if processes == 1 else f"{processes} processes"
        message = (
            f"`algorithm.vllm_tensor_parallel_size` is {split}, which does not divide {counted}, "
            "whose GPUs vLLM shares"
        )
        sizes = [size for size in range(1, processes + 1) if processes % size == 0]
        help_text = f"use {' or '.join(map(str, sizes))}, or `vllm_mode: server`"
        yield Finding(("algorithm", "vllm_tensor_parallel_size"), message, help_text)
    base = recipe.quantization
    if base is not None and base.compile().arguments.get("load_in_8bit"):
        message = f"`algorithm.use_vllm` shares the GPUs of a base in {base.type}, which vLLM does not load"
        help_text = "use 4 bits, `vllm_mode: server`, or no quantization"
        yield Finding(("algorithm", "use_vllm"), message, help_text, of_key=True)
