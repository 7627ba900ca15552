"""What can be wrong with the images of rows."""

from recipe_runner.diagnostics import Code

IMAGE_UNREADABLE = Code(
    id="RR468",
    name="image-unreadable",
    page="""
    ## What it means

    A row names an image that is not there, or brings one that cannot be decoded, or one
    that the model's processor refuses (much longer than wide, a few pixels only).

    ## Why it matters

    The conversation speaks of a picture that the model would not see.

    ## Example

    ```text
    chat.jsonl:7:1: RR468 image-unreadable: line 7 of `chat.jsonl` names the image 7.png, and there is no such file
    ```

    ## Instead

    Paths are seen from the folder of the data file.
    Images on the network are fetched first. `on_bad_row: {does_not_fit: drop}` leaves such
    rows out; they are counted and named.
    """,
)

IMAGE_TOKENS_UNALIGNED = Code(
    id="RR469",
    name="image-tokens-unaligned",
    page="""
    ## What it means

    It cannot be told which tokens of a conversation train once its images are in it.
    The text has more or fewer places for images than the row has images (a text may hold
    the model's own image token), or the processor writes other tokens beside an image than
    the chat template does.

    ## Why it matters

    A label one token off trains the model on the wrong words, and no number during
    training shows it. So there is no guess.

    ## Example

    ```text
    chat.jsonl:3:1: RR469 image-tokens-unaligned: line 3 of `chat.jsonl` has 1 image, and its text has 2 places
    ```

    ## Instead

    Take the image token out of the text, or name a chat template in
    `tokenizer.chat_template` that writes one place for each image.
    """,
)

CODES = (IMAGE_UNREADABLE, IMAGE_TOKENS_UNALIGNED)
