"""What the guides and the README show is true: YAML compiles, commands parse, links lead somewhere.

A fence whose info is `yaml` and nothing else holds a recipe, or the part of one that a guide
is about; the part is put into the shortest recipe. Other YAML says in its info what it is.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from recipe_runner.cli.app import root
from recipe_runner.diagnostics.render import text
from recipe_runner.syntax import parse
from tests.workshop import BASE, Workshop

ROOT = Path(__file__).parents[2]
GENERATED = (ROOT / "docs" / "errors", ROOT / "docs" / "reference" / "components")
PAGES = sorted(
    page
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md"))
    if not any(folder in page.parents for folder in GENERATED)
)

_YAML = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)]*)?\)")


def blocks() -> Iterator[object]:
    for page in (ROOT / "README.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))):
        source = page.read_text(encoding="utf-8")
        for block in _YAML.finditer(source):
            line = source.count("\n", 0, block.start()) + 1
            yield pytest.param(block[1], id=f"{page.name}:{line}")


@pytest.fixture(scope="module")
def library(shop: Workshop) -> Workshop:
    """The data files that the guides name, besides those of the workshop."""
    rows = "question,answer\n2 + 2 =,4\n"
    (shop.folder / "data" / "answers.csv").write_text(rows, encoding="utf-8")
    return shop


@pytest.mark.parametrize("block", list(blocks()))
def test_yaml_of_a_guide_compiles(block: str, library: Workshop) -> None:
    document, findings = parse(block, "guide.yaml")
    assert document is not None, findings
    compiled = library.compile({**BASE, **document.value}, "8xH100-80GB")
    assert len(compiled.report) == 0, text.render(compiled.report)


def commands() -> Iterator[object]:
    for page in PAGES:
        source = page.read_text(encoding="utf-8")
        for block in _SHELL.finditer(source):
            for line in block[1].splitlines():
                words = shlex.split(line, comments=True)
                if words and words[0].endswith("recipe-run"):
                    yield pytest.param(words[1:], id=f"{page.name}: {shlex.join(words)}")


@pytest.mark.parametrize("words", list(commands()))
def test_commands_that_are_shown_exist(words: list[str]) -> None:
    shell = [i for i, word in enumerate(words) if word in ("<", ">", "|")]
    # The root's settings reach the commands: click keeps what a command first took for --help.
    parent = click.Context(root, **root.context_settings)
    name, command, rest = root.resolve_command(parent, words[: shell[0]] if shell else words)
    assert command is not None
    command.make_context(
        name, rest, parent=parent
    )  # raises UsageError for an option that does not exist


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    prose = _FENCE.sub("", page.read_text(encoding="utf-8"))
    targets = [link for link in _LINK.findall(prose) if not re.match(r"[a-z]+:", link)]
    assert [link for link in targets if not (page.parent / link).exists()] == []
