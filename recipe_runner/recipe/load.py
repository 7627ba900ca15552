"""From a document to a recipe: pydantic's findings become diagnostics with places.

Pydantic reports a location that mixes keys of the recipe with names of union
members. Walking the location along the document's own value tells them apart.
"""

import difflib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from recipe_runner.components.base import Component
from recipe_runner.diagnostics import Code, Diagnostic
from recipe_runner.recipe import codes
from recipe_runner.recipe.fields import SchemaField, field_at, sections_at
from recipe_runner.recipe.renamed import ELSEWHERE, RENAMED
from recipe_runner.recipe.schema import SCHEMA_VERSION, Recipe
from recipe_runner.syntax import Document, Path, dotted

_KINDS = {
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "string_type": "a text",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "none_required": "null",
    "is_instance_of": "a mapping",
    "finite_number": "a finite number",
    "dict_attributes_type": "a mapping",
}
_RANGES = {
    "greater_than": ("gt", "above {}"),
    "greater_than_equal": ("ge", "at least {}"),
    "less_than": ("lt", "below {}"),
    "less_than_equal": ("le", "at most {}"),
    "too_short": ("min_length", "a list of {} or more"),
    "string_too_short": ("min_length", "a text that is not empty"),
    "string_pattern_mismatch": ("pattern", "a text that matches `{}`"),
}

_BOOLEAN_WORDS = ("yes", "no", "on", "off", "Yes", "No", "On", "Off")
_NOTHING = ("none", "None", "no", "off", "false")
_LENGTHS = ("too_short", "string_too_short")


def load(document: Document) -> tuple[Recipe | None, tuple[Diagnostic, ...]]:
    """Validate a document. The recipe is None where there is an error (RR2xx)."""
    early = _two_quantizations(document)
    try:
        recipe = Recipe.model_validate(document.value)
    except ValidationError as error:
        findings = error.errors(include_url=False)
        return None, tuple(dict.fromkeys([*early, *_diagnostics(document, findings, bool(early))]))
    return (None if early else recipe), tuple(early)


def show(value: Any) -> str:
    """A value as it would stand in a recipe, on one line and not too long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _diagnostics(
    document: Document, findings: list[ErrorDetails], quantized_twice: bool
) -> list[Diagnostic]:
    groups: dict[tuple[Path, bool], list[ErrorDetails]] = {}
    for finding in findings:
        path = _path_in(document, finding["loc"], finding["type"])
        if quantized_twice and path[:1] == ("quantization",):
            continue
        keyed = finding["type"] in ("extra_forbidden", "missing")
        groups.setdefault((path, keyed), []).append(finding)
    broken = {path for path, _ in groups}
    told = []
    for (path, _), group in groups.items():
        inside = any(len(other) > len(path) and other[: len(path)] == path for other in broken)
        if inside and all(f["type"] == "too_short" for f in group):
            continue  # pydantic counts only the items that were right
        told.append(_diagnostic(document, path, group))
    return told


def _path_in(document: Document, location: tuple[int | str, ...], kind: str) -> Path:
    path: list[str | int] = []
    value = document.value
    for number, element in enumerate(location):
        last = number == len(location) - 1
        if isinstance(value, Mapping) and element in value:
            value = value[str(element)]
        elif isinstance(value, list) and isinstance(element, int) and element < len(value):
            value = value[element]
        elif not (last and kind in ("missing", "extra_forbidden")):
            continue  # the name of a union member, or an index that a shorthand added
        path.append(element)
    return tuple(path)


def _diagnostic(document: Document, path: Path, group: list[ErrorDetails]) -> Diagnostic:
    first = group[0]
    kind = first["type"]
    if kind == "extra_forbidden":
        return _unknown_key(document, path)
    if kind == "missing":
        return _missing_key(document, path)
    if path == ("recipe",):
        return _wrong_version(document, first["input"])
    if kind in ("union_tag_invalid", "union_tag_not_found", "literal_error") and len(group) == 1:
        return _choice(document, path, first)
    if all(finding["type"] in _RANGES for finding in group):
        bounds = " or ".join(dict.fromkeys(_bound(finding) for finding in group))
        message = f"`{dotted(path)}` is {show(first['input'])}; it must be {bounds}"
        return Diagnostic(codes.OUT_OF_RANGE, message, document.place(path), _about(document, path))
    if kind == codes.ADAPTER_WITHOUT_RANK.name:
        message = (
            f"`{dotted(path)}` is {show(first['input'])}, so the adapter would have no parameters"
        )
        return Diagnostic(
            codes.ADAPTER_WITHOUT_RANK,
            message,
            document.place(path),
            "use a rank of 8 to 64, or remove `adapter` to train the model in full",
        )
    if kind == codes.ROW_TEMPLATE.name:
        return Diagnostic(
            codes.ROW_TEMPLATE,
            f"`{dotted(path)}` {first['msg']}",
            document.place(path),
            "`{column}` stands for a column; `text` stands alone, and `prompt` may have a "
            "`completion` and, with `render: chat`, a `system`",
        )
    if kind == codes.REWARD_UNUSABLE.name:
        return Diagnostic(
            codes.REWARD_UNUSABLE,
            f"`{dotted(path)}` {first['msg']}",
            document.place(path),
            _about(document, path),
        )
    return _wrong_type(document, path, group)


def _bound(finding: ErrorDetails) -> str:
    key, phrase = _RANGES[finding["type"]]
    return phrase.format(_number(finding.get("ctx", {}).get(key)))


def _number(bound: Any) -> str:
    return f"{bound:g}" if isinstance(bound, int | float) else str(bound)


def _unknown_key(document: Document, path: Path) -> Diagnostic:
    key, parent = str(path[-1]), path[:-1]
    known = sorted(
        {name for model in sections_at(parent, document.value) for name in model.model_fields}
    )
    where = f"in `{dotted(parent)}`" if parent else "at the top level"
    place = document.place(path, of_key=True)
    if key in known:
        message = f"`{dotted(path)}` does not go with the other keys {where}"
        return Diagnostic(
            codes.UNKNOWN_KEY, message, place, "keep one form: remove it, or the others"
        )
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.72)
    if key in RENAMED:
        message = f"`{dotted(path)}` is `{RENAMED[key]}` here"
        return Diagnostic(
            codes.RENAMED_KEY,
            message,
            place,
            f"use `{RENAMED[key]}`{_described(document, RENAMED[key])}",
        )
    message = f"`{key}` is not a key {where}"
    if key in ELSEWHERE:
        return Diagnostic(codes.UNKNOWN_KEY, message, place, ELSEWHERE[key])
    if near:
        return Diagnostic(codes.UNKNOWN_KEY, message, place, f"did you mean `{near[0]}`?")
    elsewhere = [
        section
        for section in ("training", "data", "model", "launch", "tokenizer", "algorithm")
        if (section,) != parent and field_at((section, key), document.value)
    ]
    if elsewhere:
        return Diagnostic(
            codes.UNKNOWN_KEY,
            message,
            place,
            f"it belongs in `{elsewhere[0]}`: `{elsewhere[0]}.{key}`",
        )
    return Diagnostic(codes.UNKNOWN_KEY, message, place, f"keys {where}: {', '.join(known)}")


def _described(document: Document, target: str) -> str:
    field = field_at(tuple(target.split(".")), document.value)
    return f": {field.description}" if field and field.description else ""


def _missing_key(document: Document, path: Path) -> Diagnostic:
    where = f"`{dotted(path[:-1])}`" if path[:-1] else "the recipe"
    field = field_at(path, document.value)
    message = f"{where} has no `{path[-1]}`"
    help_text = f"add `{path[-1]}`" + (f": {field.description}" if field else "")
    return Diagnostic(codes.MISSING_KEY, message, document.place(path[:-1]), help_text)


def _wrong_version(document: Document, value: Any) -> Diagnostic:
    message = f"`recipe` is {show(value)}; this release reads version {SCHEMA_VERSION}"
    return Diagnostic(
        codes.WRONG_VERSION,
        message,
        document.place(("recipe",)),
        f"write `recipe: {SCHEMA_VERSION}`, or use a release that knows the other version",
    )


def _choice(document: Document, path: Path, finding: ErrorDetails) -> Diagnostic:
    context = finding.get("ctx", {})
    if finding["type"] == "union_tag_not_found":
        if not isinstance(finding["input"], Mapping):
            return _wrong_type(document, path, [finding])
        message = f"`{dotted(path)}` does not say which one it is: it has no `type`"
        types = [m.type_name() for m in sections_at(path, None) if issubclass(m, Component)]
        return Diagnostic(
            codes.MISSING_TYPE,
            message,
            document.place(path, of_key=True),
            f"add `type:` with one of {', '.join(types)}",
        )
    tagged = finding["type"] == "union_tag_invalid"
    value = context["tag"] if tagged else finding["input"]
    place = document.place((*path, "type") if (*path, "type") in document.spans else path)
    if not tagged and not isinstance(value, str):
        return _wrong_type(document, path, [finding])
    expected = context["expected_tags"] if tagged else context["expected"].replace(" or ", ", ")
    choices = [choice.strip().strip("'") for choice in expected.split(",")]
    near = difflib.get_close_matches(str(value), choices, n=1)
    help_text = f"did you mean `{near[0]}`? " if near else ""
    field = field_at(path, document.value)
    if value in _NOTHING and field is not None and field.may_be_nothing:
        help_text = "to have none, leave the key out; "
    message = f"`{dotted(path)}` is {show(value)}, which is none of its choices"
    return Diagnostic(
        codes.UNKNOWN_CHOICE, message, place, f"{help_text}choices: {', '.join(choices)}"
    )


def _wrong_type(document: Document, path: Path, group: list[ErrorDetails]) -> Diagnostic:
    value = group[0]["input"]
    expected = []
    for finding in group:
        if finding["type"] == "literal_error":
            expected.append(f"one of {finding['ctx']['expected'].replace(' or ', ', ')}")
        elif finding["type"] in _LENGTHS:
            continue  # of a list that the value would have to be
        elif finding["type"] in _RANGES:
            expected.append(f"a number {_bound(finding)}")
        else:
            expected.append(_KINDS.get(finding["type"], "a mapping or a word"))
    field = field_at(path, document.value)
    if "a mapping" in expected and field is not None and field.short_form is not None:
        expected.insert(0, field.short_form)
    wanted = " or ".join(dict.fromkeys(expected))
    code: Code = codes.WRONG_TYPE
    message = f"`{dotted(path)}` is {show(value)}; {wanted} is expected"
    return Diagnostic(
        code,
        message,
        document.place(path),
        _hint(value, wanted, field) or _about(document, path),
    )


def _hint(value: Any, wanted: str, field: SchemaField | None) -> str:
    if isinstance(value, str) and "number" in wanted:
        try:
            float(value)
        except ValueError:
            return ""
        return "write the number without quotes"
    if value in _BOOLEAN_WORDS and "true or false" in wanted:
        return "recipes are YAML 1.2: only `true` and `false` are booleans"
    if field is None or field.info.is_required():
        return ""
    if value is None:
        return "remove the key to get the default, or give it a value"
    if value is False and field.may_be_nothing:
        return "to have none, leave the key out"
    return ""


def _about(document: Document, path: Path) -> str:
    field = field_at(path, document.value)
    return (
        f"{path[-1]}: {field.description}"
        if field and field.description and isinstance(path[-1], str)
        else ""
    )


def _two_quantizations(document: Document) -> list[Diagnostic]:
    """Find a recipe that asks for 4 and 8 bits at once, in any of the spellings people use."""
    value = document.value
    places: list[Path] = []
    asked = value.get("quantization")
    if isinstance(asked, list) and len(asked) > 1:
        places.append(("quantization",))
    for parent in ((), ("quantization",), ("model",)):
        section = value if not parent else value.get(parent[0])
        if (
            isinstance(section, Mapping)
            and section.get("load_in_4bit")
            and section.get("load_in_8bit")
        ):
            places.append((*parent, "load_in_8bit"))
    message = "the base model is asked for in 4 bits and in 8 bits at once"
    help_text = "keep one: `quantization: bnb_4bit` or `quantization: bnb_8bit`"
    return [
        Diagnostic(codes.TWO_QUANTIZATIONS, message, document.place(path, of_key=True), help_text)
        for path in places
    ]
