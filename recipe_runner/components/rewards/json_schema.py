"""Answers that are JSON of a certain form."""

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Literal

from pydantic import JsonValue

from recipe_runner.components.reward import Answer, Reward, RewardError, Text
from recipe_runner.components.rewards.json_valid import NotJsonError, read_json
from recipe_runner.plan import Requirement
from recipe_runner.rows import what_is


class JsonSchema(Reward):
    """1 for an answer that is JSON and fits a JSON Schema, else 0.

    Use it for tool calls and data extraction. The schema stands in the recipe, for all rows, or
    in a column of the row as a mapping or as JSON text. It is of draft 2020-12 where its
    `$schema` says nothing else. References lead to places in the schema itself: nothing is
    fetched.
    """

    type: Literal["json_schema"]
    json_schema: dict[str, JsonValue] | Text
    """The schema, or the name of the column that holds each row's own."""
    fenced: bool = False
    """Look into the last fenced block of the answer where it has one."""
    unfit: float = 0.0
    """What an answer is worth that is JSON of another form."""

    requires: ClassVar[tuple[Requirement, ...]] = (
        Requirement("jsonschema", "jsonschema", "rewards: json_schema"),
    )
    snippet: ClassVar[str] = (
        "rewards:\n  type: json_schema\n"
        "  json_schema: {type: object, required: [city], properties: {city: {type: string}}}"
    )

    @property
    def columns(self) -> tuple[str, ...]:
        return (self.json_schema,) if isinstance(self.json_schema, str) else ()

    def prepare(self) -> None:
        if not isinstance(self.json_schema, str):
            assert self._own is not None

    def judge(self, answer: Answer) -> float:
        from referencing.exceptions import Unresolvable

        validator, where = self._validator(answer)
        try:
            value = read_json(answer.text, fenced=self.fenced)
        except NotJsonError:
            return 0.0
        try:
            return 1.0 if validator.is_valid(value) else self.unfit
        except Unresolvable as error:
            raise RewardError(f"{where} refers to `{error.ref}`, which is not in it") from error
        except RecursionError as error:
            raise RewardError(f"{where} and the answer go too deep to be compared") from error

    @cached_property
    def _own(self) -> Any:
        """What compares with the recipe's own schema."""
        return _validator(self.json_schema, "`json_schema`")

    def _validator(self, answer: Answer) -> tuple[Any, str]:
        """What compares an answer with its schema, and where that is from."""
        if not isinstance(self.json_schema, str):
            return self._own, "`json_schema`"
        where = f"column `{self.json_schema}`"
        given = answer.column(self.json_schema)
        if isinstance(given, str):
            try:
                given = json.loads(given)
            except ValueError as error:
                raise RewardError(f"{where} holds no JSON: {error}") from error
        if not isinstance(given, Mapping | bool):
            raise RewardError(f"{where} holds {what_is(given)}, and no JSON Schema")
        return _validator(given, where), where


def _validator(schema: Any, where: str) -> Any:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for
    from referencing import Registry

    kind = validator_for(schema, default=Draft202012Validator)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        raise RewardError(f"{where} is no JSON Schema: {error.message}") from error
    # Without a registry of its own, the library would fetch what a reference names.
    return kind(schema, registry=Registry())
