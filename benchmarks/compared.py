"""What the runs of the arms of one job come to: rates, ratios to a baseline, and parity.

A ratio is taken within one turn of the arms, so that what else the machine does counts little.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from benchmarks.jobs import IN_16_BITS, IN_32_BITS
from benchmarks.results import median

Row = Mapping[str, Any]


def rate(row: Row) -> float:
    """Real tokens per second of the device: of CPU time, or of a GPU's stream."""
    return float(row["real_tokens"]) / float(row["device_seconds"])


def summary(rows: Sequence[Row], baseline: str) -> dict[str, Any]:
    """The arms of a job, each with its rate, its ratios to `baseline`, and how far losses are apart."""
    base = {row["repeat"]: row for row in rows if row["arm"] == baseline}
    arms = {}
    for arm in dict.fromkeys(row["arm"] for row in rows):
        mine = [row for row in rows if row["arm"] == arm]
        ratios = [rate(row) / rate(base[row["repeat"]]) for row in mine if row["repeat"] in base]
        arms[arm] = {
            "tokens_per_second": median(map(rate, mine)),
            "step_seconds": median(row["device_seconds"] / row["steps"] for row in mine),
            "first_step_seconds": median(row["first_step_seconds"] for row in mine),
            "peak_mib": max(row["peak_mib"]["allocated"] or 0 for row in mine),
            "ratio": median(ratios) if ratios else None,
            "least": min(ratios, default=None),
            "most": max(ratios, default=None),
            **_parity(mine, rows),
        }
    useful = [row["real_tokens"] / row["padded_tokens"] for row in base.values()]
    return {
        "job": rows[0]["job"],
        "precision": rows[0]["precision"],
        "useful": median(useful) if useful else None,
        "arms": arms,
    }


def _parity(mine: Sequence[Row], rows: Sequence[Row]) -> dict[str, float | None]:
    """Largest differences to the first arm with the same rows and the same type of weights.

    Of losses, and of lengths of gradients in parts of them; None for an arm with other rows.
    """
    first = next(
        (r for r in rows if r["same_rows"] and r["weights"] == mine[0]["weights"]), mine[0]
    )
    if not mine[0]["same_rows"]:
        return {"apart": None, "gradients_apart": None}
    half = first["precision"] == "bf16" or first["weights"] == "bfloat16"
    losses, gradients = IN_16_BITS if half else IN_32_BITS
    return {
        "may_differ": losses,
        "gradients_may_differ": gradients,
        "apart": _largest(mine, first, "losses", lambda a, b: abs(a - b)),
        "gradients_apart": _largest(
            mine, first, "gradient_norms", lambda a, b: abs(a - b) / max(abs(b), 1e-9)
        ),
    }


def _largest(
    mine: Sequence[Row], first: Row, name: str, apart: Callable[[float, float], float]
) -> float:
    # An arm that ended early has fewer steps.
    return max(
        (
            # Not a number compares with nothing, and must not pass.
            math.inf if math.isnan(a - b) else apart(a, b)
            for row in mine
            for a, b in zip(row[name], first[name], strict=False)
        ),
        default=0.0,
    )


def differences(summaries: Iterable[Mapping[str, Any]]) -> list[str]:
    """What must not be: arms with the same rows whose losses or gradients are not the same."""
    found = []
    for each in summaries:
        for arm, numbers in each["arms"].items():
            for name, bound, what in (
                ("apart", "may_differ", "losses"),
                ("gradients_apart", "gradients_may_differ", "gradients"),
            ):
                if numbers[name] is not None and numbers[name] > (most := numbers[bound]):
                    found.append(
                        f"{each['job']}: the {what} of `{arm}` differ by {numbers[name]:.1e}, "
                        f"more than {most:.0e}"
                    )
    return found
