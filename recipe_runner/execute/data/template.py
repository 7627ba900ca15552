"""Looks at the chat template once before any row is rendered with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recipe_runner.diagnostics import Diagnostic, DiagnosticError, Place, Position, Span
from recipe_runner.execute.data.codes import CHAT_TEMPLATE_BROKEN
from recipe_runner.plan import Plan

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def demand_readable(plan: Plan, tokenizer: PreTrainedTokenizerBase) -> None:
    """Report RR431 where the template is no Jinja: every row would fail for the same reason."""
    from jinja2 import TemplateSyntaxError
    from transformers.utils.chat_template_utils import _compile_jinja_template

    sources = (*plan.data.train, *plan.data.eval)
    template = plan.tokenizer.chat_template or tokenizer.chat_template
    if not isinstance(template, str) or all(s.format.shape == "text" for s in sources):
        return
    try:
        _compile_jinja_template(template)
    except TemplateSyntaxError as error:
        here = Position(error.lineno, 1, 0)
        lines = template.splitlines()
        source = plan.tokenizer.chat_template_source
        excerpt = lines[error.lineno - 1] if error.lineno <= len(lines) else None
        raise DiagnosticError(
            Diagnostic(
                CHAT_TEMPLATE_BROKEN,
                f"the chat template ({source}) is no Jinja, in its line {error.lineno}: {error.message}",
                Place(
                    source if "/" in source or "." in source else plan.recipe_path,
                    Span(here, here),
                    excerpt,
                ),
                "repair the template; `tokenizer.chat_template` names the one that is used",
            )
        ) from error
