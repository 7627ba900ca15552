"""The plan of every recipe that we ship, for the machine that its header names.

`pytest --update-golden` writes them again; a changed plan is reviewed as a change of
what people's runs do. Paths stand for themselves: `<checkout>` is the repository and
`<package>` the installed package.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import recipe_runner
from recipe_runner.plan import decode, encode
from tests.checkout import RECIPES, checkout, compile_shipped
from tests.golden.file import FOLDER, Golden


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkout(tmp_path_factory.mktemp("checkout"))


def name_of(recipe: str) -> str:
    return f"plans/{recipe.removeprefix('recipes/').removesuffix('.yaml')}.json"


@pytest.mark.parametrize("recipe", RECIPES)
def test_plan_is_the_golden_one(recipe: str, tree: Path, golden: Golden) -> None:
    plan = compile_shipped(recipe, tree).plan
    assert plan is not None
    text = encode(plan)
    assert decode(text) == plan
    package = str(Path(recipe_runner.__file__).parent)
    # A changed comment of a recipe is no changed plan.
    text = text.replace(plan.recipe_sha256, "<sha256 of the recipe>")
    golden(name_of(recipe), text.replace(str(tree), "<checkout>").replace(package, "<package>"))


def test_golden_plans_belong_to_recipes() -> None:
    found = {str(path.relative_to(FOLDER)) for path in (FOLDER / "plans").rglob("*.json")}
    assert found == {name_of(recipe) for recipe in RECIPES}
