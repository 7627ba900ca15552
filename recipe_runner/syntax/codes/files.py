"""Codes for files and bytes: what goes wrong before any YAML is read."""

from recipe_runner.diagnostics import Code

FILE_NOT_FOUND = Code(
    "RR001",
    "file-not-found",
    """
    ## What it means

    No file has the path that was given.

    ## Why it matters

    A path on the command line is relative to the working directory, so the same command
    finds a recipe in one directory and not in another.

    ## Example

    ```console
    $ recipe-run check recipes/qwen3.yml
    recipes/qwen3.yml:1:1: RR001 file-not-found: there is no such file
    help: `recipes` exists; check the file's name
    ```

    ## Instead

    Name a file that exists.

    ```console
    $ recipe-run check recipes/qwen3.yaml
    ```
    """,
)

IS_A_DIRECTORY = Code(
    "RR002",
    "is-a-directory",
    """
    ## What it means

    A directory was given where one recipe file is needed.

    ## Why it matters

    `recipe-run train` and `recipe-run plan` work on one recipe at a time.

    ## Example

    ```console
    $ recipe-run train recipes
    recipes:1:1: RR002 is-a-directory: this is a directory, not a recipe file
    ```

    ## Instead

    Name one recipe. `recipe-run check` takes directories as well.

    ```console
    $ recipe-run train recipes/quickstart.yaml
    ```
    """,
)

PERMISSION_DENIED = Code(
    "RR003",
    "permission-denied",
    """
    ## What it means

    The operating system does not let this user read the file.

    ## Why it matters

    Nothing in the file can be checked.

    ## Example

    ```console
    $ chmod 000 recipe.yaml
    $ recipe-run check recipe.yaml
    recipe.yaml:1:1: RR003 permission-denied: reading this file is not permitted
    ```

    ## Instead

    ```console
    $ chmod u+r recipe.yaml
    $ recipe-run check recipe.yaml
    ```
    """,
)

UNREADABLE_FILE = Code(
    "RR004",
    "unreadable-file",
    """
    ## What it means

    The path cannot be opened or read, for a reason that the operating system gives: a
    name that is too long, a loop of links, a disk that fails.

    ## Why it matters

    Nothing in the file can be checked.

    ## Example

    ```console
    $ ln -s recipe.yaml recipe.yaml
    $ recipe-run check recipe.yaml
    recipe.yaml:1:1: RR004 unreadable-file: the file cannot be read: Too many levels of
    symbolic links
    ```

    ## Instead

    Name a plain file.

    ```console
    $ recipe-run check recipes/quickstart.yaml
    ```
    """,
)

NOT_UTF_8 = Code(
    "RR005",
    "not-utf-8",
    """
    ## What it means

    A byte of the file is not UTF-8. The place is the first such byte.

    ## Why it matters

    Recipes are shared. The same bytes read in another encoding are other characters, so a
    prompt or a path would differ between machines.

    ## Example

    A file saved as Windows-1252:

    ```console
    $ recipe-run check recipe.yaml
    recipe.yaml:3:19: RR005 not-utf-8: the byte 0xe9 is not UTF-8, in Windows-1252 `é`
    ```

    ## Instead

    ```console
    $ iconv -f WINDOWS-1252 -t UTF-8 recipe.yaml > recipe-utf8.yaml
    ```
    """,
)

UTF_16 = Code(
    "RR006",
    "utf-16",
    """
    ## What it means

    The file is UTF-16 or UTF-32: two or four bytes for each letter.

    ## Why it matters

    Recipes are UTF-8, so that every tool that shows or compares them reads the same text.

    ## Example

    A file written by `>` in an older PowerShell:

    ```console
    $ recipe-run check recipe.yaml
    recipe.yaml:1:1: RR006 utf-16: the file is UTF-16; recipes are UTF-8
    ```

    ## Instead

    ```console
    $ iconv -f UTF-16 -t UTF-8 recipe.yaml > recipe-utf8.yaml
    ```
    """,
)

FILE_TOO_LARGE = Code(
    "RR007",
    "file-too-large",
    """
    ## What it means

    The file has more than 1 MiB or more than about 10,000 values. A long recipe has five
    thousand bytes and a few hundred values.

    ## Why it matters

    It is most likely a data file or a log. Reading it as YAML would take seconds and
    report nothing of use.

    ## Example

    ```console
    $ recipe-run check data/chat.jsonl
    data/chat.jsonl:1:1: RR007 file-too-large: the file is larger than 1 MiB
    ```

    ## Instead

    Name the recipe; the recipe names the data.

    ```yaml
    recipe: 1
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)

CONTROL_CHARACTER = Code(
    "RR008",
    "control-character",
    """
    ## What it means

    The text holds a character that YAML does not allow, such as NUL, an escape from a
    coloured terminal or a lone surrogate.

    ## Why it matters

    Such characters are not visible in an editor, but they would be part of the value.

    ## Example

    ```console
    $ printf 'recipe: 1\\nname: a\\0b\\n' > recipe.yaml
    $ recipe-run check recipe.yaml
    recipe.yaml:2:8: RR008 control-character: the text holds the control character NUL
    ```

    ## Instead

    Delete the character. Where the value needs it, write an escape in double quotes.

    ```yaml
    recipe: 1
    description: "a bell: \\a"
    model: org/model-id
    data: {train: data/chat.jsonl}
    algorithm: sft
    output_dir: runs/x
    ```
    """,
)
