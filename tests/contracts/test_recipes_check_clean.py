"""Every recipe that we ship compiles with notes at most, and says what a reader must know."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from recipe_runner.diagnostics.render import text
from tests.checkout import RECIPES, ROOT, checkout, compile_shipped

_COMMIT = re.compile(r"[0-9a-f]{40}")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkout(tmp_path_factory.mktemp("checkout"))


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipe_checks_clean_on_the_machine_it_names(recipe: str, tree: Path) -> None:
    compiled = compile_shipped(recipe, tree)
    # The models of examples are tiny, and learn at rates that would ruin others: RR314 says so.
    expected = {"RR314"} if recipe.startswith("examples/") else set()
    findings = [d for d in compiled.report if d.severity != "note" and d.code.id not in expected]
    assert findings == [], text.render(compiled.report)
    assert compiled.plan is not None


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipe_points_editors_at_the_schema(recipe: str) -> None:
    first = (ROOT / recipe).read_text(encoding="utf-8").splitlines()[0]
    prefix, _, schema = first.partition("=")
    assert prefix == "# yaml-language-server: $schema"
    target = ((ROOT / recipe).parent / schema).resolve()
    assert target == ROOT / "schemas" / "recipe-v1.schema.json"


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipe_says_how_to_launch_it(recipe: str) -> None:
    header = (ROOT / recipe).read_text(encoding="utf-8").partition("recipe: 1")[0]
    launch = re.search(r"^# Launch: +(.+)$", header, re.MULTILINE)
    assert launch is not None
    assert launch[1] in (f"recipe-run train {recipe}", "make quickstart")


@pytest.mark.parametrize("recipe", RECIPES)
def test_whatever_comes_from_a_hub_is_pinned_by_commit(recipe: str, tree: Path) -> None:
    plan = compile_shipped(recipe, tree).plan
    assert plan is not None
    sources = (*plan.data.train, *plan.data.eval)
    pins = {source.path: source.revision for source in sources if not source.files}
    for model in (plan.model, *(other.model for other in plan.models)):
        if not model.local:
            pins[model.name_or_path] = model.load["revision"]
    loose = [name for name, pin in pins.items() if pin is None or not _COMMIT.fullmatch(pin)]
    assert loose == []
