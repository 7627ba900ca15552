"""What a fault of the YAML structure means, in the recipe's own words.

ruamel.yaml says what it expected; a person wants to know which character to change. Each
known fault is told by its own code; the rest fall back to RR105.
"""

from __future__ import annotations

import re

from ruamel.yaml.error import MarkedYAMLError

from recipe_runner.diagnostics import Code, Diagnostic, Related
from recipe_runner.syntax import codes
from recipe_runner.syntax.events import TAB_PROBLEM, Events
from recipe_runner.syntax.source import Source

_QUOTE_ADVICE = "put the whole value in quotes"
_WORD = re.compile(r"[^\s,\[\]{}]+")
_CLOSING = {"[": "]", "{": "}"}


def explain(error: MarkedYAMLError, source: Source, events: Events) -> Diagnostic:
    """The diagnostic for an error of ruamel.yaml's scanner or parser."""
    problem = str(error.problem or error.context or "")
    mark = error.problem_mark or error.context_mark
    at = mark.index if mark is not None else events.offset
    opened = error.context_mark.index if error.context_mark is not None else at
    context = str(error.context or "")
    if problem == TAB_PROBLEM:
        return _tab(source, at)
    if "found undefined escape" in problem or ("escape" in problem and "quoted" in context):
        return explain_escape(source, at)
    if "quoted scalar" in context:
        return _unclosed_quote(source, opened)
    if problem.startswith("mapping values are not allowed"):
        return _stray_colon(source, at, events)
    if problem.startswith("could not find expected ':'"):
        return _missing_colon(source, opened)
    if problem.startswith("sequence entries are not allowed"):
        return _of(
            codes.BAD_INDENTATION,
            source,
            (at, at + 1),
            "a list starts here, behind other text in the same line",
            "start the list in a line of its own, or write it in brackets: `[a, b]`",
        )
    if "while scanning an alias" in context or "while scanning an anchor" in context:
        return _needs_quotes(source, opened)
    if "cannot start any token" in problem:
        return _needs_quotes(source, at)
    if "directive" in context or "YAML directive" in problem or "incompatible" in problem:
        return _directive(source, opened)
    if " tag" in context or "tag handle" in problem:
        return _tag(source, opened)
    if "block scalar" in context:
        return _block_text(source, opened, at)
    if "flow sequence" in context or "flow mapping" in context:
        return _bracket(source, opened, at)
    bracket = events.open_bracket
    if bracket is not None and source.text[at : at + 1] != ",":
        return _bracket(source, bracket, at)
    return _structure(source, at)


def explain_escape(source: Source, at: int) -> Diagnostic:
    """The diagnostic for a backslash in double quotes that starts no known escape."""
    start = source.text.rfind("\\", 0, at + 1)
    if start < 0:
        # The only other number that is read out of the structure: the version of `%YAML`.
        return _directive(source, source.text.find("%"))
    shown = source.text[start : start + 2].strip() or "\\"
    return _of(
        codes.UNKNOWN_ESCAPE,
        source,
        (start, start + len(shown)),
        f"`{shown}` is no escape that double quotes know",
        "use single quotes, in which a backslash is itself, or write it twice",
    )


def _of(
    code: Code,
    source: Source,
    at: tuple[int, int],
    message: str,
    help_: str,
    *related: Related,
) -> Diagnostic:
    start, end = at
    if start >= len(source.text):
        start = len(source.text.rstrip())
    return Diagnostic(
        code, message, source.place(start, min(end, len(source.text))), help_, related
    )


def _tab(source: Source, at: int) -> Diagnostic:
    end = at + len(source.text[at:]) - len(source.text[at:].lstrip("\t"))
    return _of(
        codes.UNEXPECTED_TAB,
        source,
        (at, end),
        "the line is indented with a tab; YAML counts spaces only",
        "replace each tab by two spaces",
    )


def _unclosed_quote(source: Source, opened: int) -> Diagnostic:
    quote = source.text[opened : opened + 1]
    return _of(
        codes.UNCLOSED_QUOTE,
        source,
        (opened, opened + 1),
        f"the quote {quote} that opens here is never closed",
        f"add the closing {quote}"
        + ("; inside single quotes an apostrophe is written twice" if quote == "'" else ""),
    )


def _stray_colon(source: Source, at: int, events: Events) -> Diagnostic:
    """`a: b: c`, a line that stands too deep, or a line above that has no colon."""
    line = source.position(at).line
    start, end = events.last_plain or (at, 0)
    if start < at and not source.text[end:at].strip():
        first = source.position(start)
        above = source.line(first.line) or ""
        if first.line < line:
            if not above[: first.column - 1].strip(" -"):
                return _missing_colon(source, start)
            here = source.line(line) or ""
            indent = len(here) - len(here.lstrip())
            key = here[indent:].split(":")[0]
            begin = at - len(here[indent : source.position(at).column - 1])
            return _of(
                codes.BAD_INDENTATION,
                source,
                (begin, at),
                f"`{key}` stands deeper than line {first.line}, which already has a value",
                f"indent it as line {first.line}, or leave the value in line {first.line} out",
                Related("the value", source.place(start, start + len(above[first.column - 1 :]))),
            )
    return _of(
        codes.UNQUOTED_COLON,
        source,
        (at, at + 1),
        "a second colon in one line; text that holds a colon and a space needs quotes",
        f"{_QUOTE_ADVICE}, or start the inner key in a line of its own, indented",
    )


def _missing_colon(source: Source, start: int) -> Diagnostic:
    position = source.position(start)
    line = (source.line(position.line) or "")[position.column - 1 :]
    shown = line.split(" #")[0].rstrip()
    key, colon, value = shown.partition(":")
    if colon and value:
        return _of(
            codes.MISSING_COLON,
            source,
            (start, start + len(shown)),
            f"`{shown}` has no space behind the colon, so it is no key with a value",
            f"write `{key}: {value.strip()}`",
        )
    return _of(
        codes.MISSING_COLON,
        source,
        (start, start + len(shown)),
        f"`{shown}` stands where a key with a colon is expected",
        f"write `{_first_word(shown)}: ...`, or put `- ` in front where a list item is meant",
    )


def _first_word(text: str) -> str:
    word = _WORD.match(text)
    return word[0] if word else "key"


def _needs_quotes(source: Source, at: int) -> Diagnostic:
    ch = source.text[at : at + 1]
    word = _WORD.match(source.text, at)
    end = word.end() if word else at + 1
    return _of(
        codes.QUOTES_NEEDED,
        source,
        (at, end),
        f"unquoted text cannot start with `{ch}`",
        f'put the whole value in quotes: `"{source.text[at:end]}"`',
    )


def _directive(source: Source, at: int) -> Diagnostic:
    word = _WORD.match(source.text, at)
    return _of(
        codes.YAML_DIRECTIVE,
        source,
        (at, word.end() if word else at + 1),
        "a line that starts with `%` is a YAML directive, which recipes do not have",
        "delete the line; recipes are YAML 1.2",
    )


def _tag(source: Source, at: int) -> Diagnostic:
    word = _WORD.match(source.text, at)
    end = word.end() if word else at + 1
    return _of(
        codes.EXPLICIT_TAG,
        source,
        (at, end),
        f"`{source.text[at:end]}` reads as a tag, which recipes do not have",
        f"delete it; to keep it as text, {_QUOTE_ADVICE}",
    )


def _block_text(source: Source, opened: int, at: int) -> Diagnostic:
    sign = source.text[opened : opened + 1]
    if sign not in ("|", ">"):
        return _of(
            codes.BAD_INDENTATION,
            source,
            (at, at + 1),
            "the text is indented less than the blank line above it",
            "delete the spaces in the blank lines before the text",
        )
    return _of(
        codes.UNREADABLE_YAML,
        source,
        (opened, at + 1),
        f"behind `{sign}` only `+`, `-` or an indentation from 1 to 9 may stand",
        f"start the text in the line below `{sign}`; to keep `{sign}` as text, {_QUOTE_ADVICE}",
    )


def _bracket(source: Source, opened: int, at: int) -> Diagnostic:
    bracket = source.text[opened : opened + 1]
    closing = _CLOSING.get(bracket, "]")
    found = source.text[at : at + 1]
    opened_here = Related(f"`{bracket}` opens here", source.place(opened, opened + 1))
    if found in ("]", "}"):
        return _of(
            codes.UNEXPECTED_BRACKET,
            source,
            (at, at + 1),
            f"`{found}` closes here what `{bracket}` opened",
            f"close it with `{closing}`",
            opened_here,
        )
    same_line = source.position(opened).line == source.position(at).line
    if found and same_line and closing in source.text[at:].split("\n", 1)[0]:
        return _of(
            codes.MISSING_COMMA,
            source,
            (at, at + 1),
            f"a comma or `{closing}` is expected before this; items in brackets need commas",
            "put a comma between the items; quote text that holds a colon or a quote",
            opened_here,
        )
    return _of(
        codes.UNCLOSED_BRACKET,
        source,
        (opened, opened + 1),
        f"the bracket `{bracket}` that opens here is not closed",
        f"add the closing `{closing}`, and a comma between items",
    )


def _structure(source: Source, at: int) -> Diagnostic:
    """The parser met something at `at` that cannot continue the structure above it."""
    position = source.position(at)
    line = source.line(position.line) or ""
    before = line[: position.column - 1]
    found = source.text[at : at + 1]
    if found in ("]", "}"):
        return _of(
            codes.UNEXPECTED_BRACKET,
            source,
            (at, at + 1),
            f"`{found}` closes a bracket that was never opened",
            f"delete it, or {_QUOTE_ADVICE}",
        )
    if found == ",":
        return _of(
            codes.UNREADABLE_YAML,
            source,
            (at, at + 1),
            "no value stands before this comma",
            "delete the comma or write the value; text that holds a comma needs quotes",
        )
    if before.strip(" -"):
        return _behind_value(source, at, before)
    if found == "-" and not before.strip():
        return _of(
            codes.BAD_INDENTATION,
            source,
            (at, at + 1),
            "a list item stands where a key is expected",
            "indent the `-` as its neighbours, or write a key before the list",
        )
    return _of(
        codes.BAD_INDENTATION,
        source,
        (at, at + max(1, len(line.rstrip()) - position.column + 1)),
        f"the line is indented by {_spaces(position.column - 1)}, "
        "which matches nothing that is open above it",
        "indent it exactly as the keys beside it",
    )


def _behind_value(source: Source, at: int, before: str) -> Diagnostic:
    """`a: "x" y`: more text in a line whose value is complete."""
    if before.endswith("\t"):
        start = at - len(before) + len(before.rstrip("\t"))
        return _of(
            codes.UNEXPECTED_TAB,
            source,
            (start, at),
            "a tab stands inside unquoted text",
            f"write a space, or {_QUOTE_ADVICE}",
        )
    found = source.text[at : at + 1]
    word = _WORD.match(source.text, at)
    help_ = f"{_QUOTE_ADVICE}, or delete the rest"
    if before.endswith("'"):
        help_ = "inside single quotes an apostrophe is written twice, or use double quotes"
    return _of(
        codes.UNREADABLE_YAML,
        source,
        (at, word.end() if word else at + 1),
        f"the value before `{found}` is already complete" if found else "the value breaks off",
        help_,
    )


def _spaces(count: int) -> str:
    return "1 space" if count == 1 else f"{count} spaces"
