"""What trains of a model, in words and as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from recipe_runner.cli.layout import counted
from recipe_runner.cli.table import table
from recipe_runner.plan import ParameterPlan, TrainedGroup

_SHOWN = 8
_GIB = 2**30


def trained_words(parameters: ParameterPlan) -> str:
    """Such as "4.6M of 596M parameters (0.77%): q_proj, v_proj on 28 layers (56 modules)"."""
    total, trained = parameters.total, parameters.trained
    if trained == total:
        return f"all {_short(total)} parameters"
    how_many = "not counted (see --trace)" if trained is None else _short(trained)
    text = f"{how_many} of {_short(total)} parameters"
    if trained is not None:
        text += f" ({_share(trained / total)})"
    return f"{text}: {_where(parameters.groups)}" if parameters.groups else text


def base_words(parameters: ParameterPlan) -> str:
    """Such as "0.55 bytes per parameter, 0.31 GiB"."""
    size = parameters.base_bytes or 0
    gib = size / _GIB
    weight = f"{gib:.2f} GiB" if gib >= 0.1 else f"{size / 2**20:.1f} MiB"
    return f"{size / parameters.total:.3g} bytes per parameter, {weight}"


def trained_table(parameters: ParameterPlan, *, width: int, color: bool) -> str:
    """The modules that train, how many there are, and their parameters; the last line is all of them."""
    rows = [
        (group.pattern, f"{group.modules:,}", _number(group.parameters))
        for group in parameters.groups
    ]
    rows.append((f"all that train, of {parameters.total:,}", "", _number(parameters.trained)))
    return table(("trains", "modules", "parameters"), rows, width=width, color=color)


def _number(count: int | None) -> str:
    return "" if count is None else f"{count:,}"


def _where(groups: Sequence[TrainedGroup]) -> str:
    """The modules by the ends of their names, and how many layers and modules there are."""
    names = list(_ends(groups))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    text = ", ".join(names[:_SHOWN]) + more
    modules = sum(group.modules for group in groups)
    layers = max((group.modules for group in groups if "*" in group.pattern), default=0)
    if not layers:
        return text
    return f"{text} on {counted(layers, 'layer')} ({counted(modules, 'module')})"


def _ends(groups: Sequence[TrainedGroup]) -> Iterator[str]:
    last = [group.pattern.rpartition(".")[2] for group in groups]
    for group, end in zip(groups, last, strict=True):
        # Two kinds of layers may have one name for different things.
        yield end if last.count(end) == 1 else ".".join(group.pattern.split(".")[-2:])


def _short(count: int) -> str:
    for unit, size in (("B", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return str(count)


def _share(share: float) -> str:
    return f"{share:.2g}" if share < 0.0001 else f"{share:.2%}" if share < 0.1 else f"{share:.0%}"
