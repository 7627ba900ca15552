"""What only a run with images can find."""

from __future__ import annotations

from recipe_runner.diagnostics import Code

PROCESSOR_UNUSABLE = Code(
    id="RR465",
    name="processor-unusable",
    page="""
    ## What it means

    The recipe trains a model that sees, and there is no processor to make pixels and
    tokens with: none beside the model, one for text only, or one that has no token to put
    images in the place of.

    ## Why it matters

    Without the processor nobody knows how large the model wants its pictures and how many
    tokens each takes.

    ## Example

    ```text
    recipe.yaml: RR465 processor-unusable: org/text-model has no processor for images, only a Qwen2TokenizerFast
    ```

    ## Instead

    Name a model with a vision part that comes with its `processor_config.json` or
    `preprocessor_config.json`, or train on text with `model.task: causal_lm`.
    """,
)

PACKAGE_FOR_IMAGES_MISSING = Code(
    id="RR466",
    name="package-for-images-missing",
    page="""
    ## What it means

    The processor of the model needs a package that is not installed.
    Most image processors work with Pillow alone; those of models that take videos too
    (Qwen2-VL, Qwen2.5-VL, Qwen3-VL, SmolVLM) need torchvision, also for images.

    ## Why it matters

    Not one row can be prepared.

    ## Example

    ```text
    recipe.yaml: RR466 package-for-images-missing: Qwen2VLVideoProcessor requires Torchvision
    ```

    ## Instead

    Install torchvision from the same index as torch: a build for CUDA does not load beside
    a torch for CPUs.
    """,
)

IMAGE_CHANGED = Code(
    id="RR467",
    name="image-changed",
    page="""
    ## What it means

    A picture is gone, or it has another size than when the rows were prepared.
    Prepared rows hold the tokens of a conversation with the places of its images; the
    pictures themselves are read again for each batch.

    ## Why it matters

    The model would get more or fewer image features than there are places for them.
    A picture that was replaced by another of the same size is not noticed: the run trains
    on what is there.

    ## Example

    ```text
    recipe.yaml: RR467 image-changed: a row names the image 7.png, and there is no such file
    ```

    ## Instead

    Put the picture back, or remove the prepared rows that the message names and run again.
    """,
)

CODES = (PROCESSOR_UNUSABLE, PACKAGE_FOR_IMAGES_MISSING, IMAGE_CHANGED)
