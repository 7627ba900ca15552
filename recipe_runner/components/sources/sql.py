"""The rows of a query to a database."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from recipe_runner.components.source import Source


class Sql(Source):
    """The rows that a query to a database gives, each value in a column of its own.

    `path` is the address of the database: `sqlite:///data/rows.db` relative to the recipe, or
    `env:NAME` with the name of an environment variable that holds the address, so that no
    password stands in a recipe.
    Databases other than SQLite need SQLAlchemy and their own driver.
    Nothing is written: what a query would change is undone.
    """

    type: Literal["sql"]
    query: Annotated[str, Field(min_length=1, pattern=r"(?is)^\s*(select|with|values|table)\b")]
    """The query, which begins with SELECT, WITH, VALUES or TABLE; order the rows, or their order may change."""

    connects: ClassVar[bool] = True
    builder: ClassVar[str | None] = "sql"
    snippet: ClassVar[str] = (
        "train: {path: 'sqlite:///data/rows.db', format: prompt_completion, "
        "source: {type: sql, query: 'SELECT prompt, completion FROM pairs ORDER BY id'}}"
    )
