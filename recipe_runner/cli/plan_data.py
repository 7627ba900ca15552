"""What a plan does with the data, for a person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from recipe_runner.cli.layout import Line, counted, number
from recipe_runner.plan import DataPlan, LossPlan, Plan, SourcePlan
from recipe_runner.plan.mix import rows_per_epoch


def data_lines(plan: Plan) -> Iterator[Line]:
    """Each data set, the evaluation rows, and how rows become those that train."""
    data = plan.data
    because = {each.path: each.because for each in plan.derived}
    for key, sources in (("train", data.train), ("eval", data.eval)):
        for i, source in enumerate(sources):
            why = because.get(f"data.{key}.format") or because.get(f"data.{key}.{i}.format")
            gives = _gives(data, i) if key == "train" else ""
            yield key if i == 0 else "", _source(source, why) + gives
    if data.eval_split is not None:
        split = data.eval_split
        some = f"{number(100 * split)}%" if split < 1 else counted(int(split), "row")
        yield "eval", f"{some} of the training rows, drawn with seed {data.seed}"
    elif not data.eval:
        yield "eval", "none"
    if len(data.train) > 1:
        yield "mix", data.mix_strategy
    if repeats := _repeats(data):
        yield "duplicates", repeats
    longer = {
        "truncate": f"truncated ({data.truncation_mode})",
        "drop": "dropped",
        "split": "split into several",
    }
    over = longer.get(data.overlong, "an error")
    packed = f"packed ({data.packing})" if data.packing else "not packed"
    order = f"shuffled with seed {data.seed}" if data.shuffle else "in the order of the files"
    if data.streaming:
        among = f", shuffled among {data.shuffle_buffer:,} with seed {data.seed}"
        order = "read as a stream" + (among if data.shuffle else "")
    yield (
        "rows",
        f"up to {data.max_length} tokens, longer ones are {over}; {packed}, {order}",
    )


def _repeats(data: DataPlan) -> str:
    """What becomes of rows that repeat others; empty where nobody asked and none can leak."""
    told = []
    if data.deduplicate is not None:
        same = f"nearly the same ({data.deduplicate.threshold:g} alike)"
        what = same if data.deduplicate.method == "near" else "the same"
        told.append(f"training rows {what} as an earlier one are removed")
    if data.eval:
        leaked = {
            "report": "counted and reported",
            "drop": "removed",
            "error": "an error",
            "ignore": "not looked for",
        }
        told.append(f"training rows that are evaluated on are {leaked[data.leakage]}")
    return "; ".join(told)


def _gives(data: DataPlan, number: int) -> str:
    """What a training set gives in an epoch, where that is not simply its rows."""
    found = rows_per_epoch(data.train, data.eval_split, data.mix_strategy, data.mix_stopping)
    rows = data.train[number].rows
    if found is None or (len(data.train) == 1 and found.rows[0] == rows):
        return ""
    about = "" if found.exact else "about "
    share = found.rows[number] / found.expected if found.expected else 0
    part = f", {share:.0%} of them" if len(data.train) > 1 else ""
    return f"; gives {about}{counted(round(found.rows[number]), 'row')} an epoch{part}"


def _source(source: SourcePlan, why: str | None) -> str:
    count = "rows not counted" if source.rows is None else counted(source.rows, "row")
    if source.limit is not None:
        count += f", the first {source.limit:,}"
    if source.fraction_of_rows is not None:
        count += f", {number(100 * source.fraction_of_rows)}% of them"
    if source.probability is not None:
        count += f", drawn with probability {source.probability:g}"
    if source.repeat > 1:
        count += f", each {source.repeat} times"
    split = "" if source.files else f" ({source.split})"
    recognised = f" ({why})" if why else ""
    render = source.format.options.get("render")
    how = f" rendered as {render}" if render else ""
    return (
        f"{source.path}{split}: {count}, {source.format.type}{how}{recognised}, "
        f"loss on {_loss(source.loss)}{_bad_rows(source)}"
    )


def _bad_rows(source: SourcePlan) -> str:
    """The faults of rows that stop no run, by the names that `on_bad_row` has for them."""
    policies = asdict(source.on_bad_row)
    left_out = [kind for kind, policy in policies.items() if policy == "drop"]
    all_of_them = len(left_out) == len(policies)
    named = "any fault" if all_of_them else " or ".join(left_out)
    told = f"; rows with {named} are left out" if left_out else ""
    kept = [kind for kind, policy in policies.items() if policy == "keep"]
    return told + (f"; rows with {' or '.join(kept)} are kept" if kept else "")


def _loss(loss: LossPlan) -> str:
    if loss.on != "turns":
        words = {
            "completion": "the completion",
            "all": "every token",
            "given": "what the rows mark",
        }
        return words[loss.on]
    which = {"all": "turns", "last": "last turn", "last_round": "turns of the last round"}
    return f"the {' and '.join(loss.roles)}'s {which[loss.turns]}"
