"""The opened data sets of a plan, and rows of them by their number."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from recipe_runner.execute.data.build import bench_of
from recipe_runner.execute.data.cache import Store, cache_root
from recipe_runner.execute.data.hub import commit_of
from recipe_runner.execute.data.remote import at_hand
from recipe_runner.execute.data.sources import chosen, is_remote
from recipe_runner.execute.data.template import demand_readable
from recipe_runner.execute.data.work import Bench, Outcome, Task, outcomes
from recipe_runner.execute.preview.row import Lens, Source
from recipe_runner.plan import Plan
from recipe_runner.rows.address import is_address
from recipe_runner.rows.row import CHUNK_ROWS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def streams_from_elsewhere(plan: Plan) -> bool:
    """True where rows come from elsewhere while a run goes: they are not fetched for a look."""
    sources = (*plan.data.train, *plan.data.eval)
    return plan.data.streaming and any(
        is_remote(source) or any(map(is_address, source.files)) for source in sources
    )


@dataclass(frozen=True)
class Desk:
    """The opened data sets of a plan, by their place: training, then evaluation."""

    plan: Plan
    tokenizer: PreTrainedTokenizerBase
    folder: Path
    head: bool
    _benches: dict[int, Bench]

    @classmethod
    @contextmanager
    def opened(
        cls, plan: Plan, tokenizer: PreTrainedTokenizerBase, *, head: bool = False
    ) -> Iterator[Desk]:
        """A desk that is cleared in the end; `head` is enough for the first thousand rows."""
        demand_readable(plan, tokenizer)
        with tempfile.TemporaryDirectory() as folder:
            local = at_hand(plan, cache_root())
            yield cls(local, tokenizer, Path(folder), head, {})

    def bench(self, place: int) -> Bench:
        """The data set at `place` with its tokenizing, opened once."""
        if place not in self._benches:
            store, plan = Store(cache_root()), self.plan
            source = (*plan.data.train, *plan.data.eval)[place]
            remote = is_remote(source)
            content = [commit_of(source, store.root, plan.recipe_path)] if remote else []
            self._benches[place] = bench_of(
                plan,
                source,
                place,
                self.tokenizer,
                store,
                self.folder / str(place),
                content,
                head=self.head,
            )
        return self._benches[place]

    def source(self, place: int) -> Source:
        """What the data set at `place` is called."""
        train = self.plan.data.train
        if place < len(train):
            return Source("train", place + 1, train[place].path)
        number = place - len(train)
        return Source("eval", number + 1, self.plan.data.eval[number].path)

    def lens(self, place: int) -> Lens:
        """Shows rows of the data set at `place`."""
        bench = self.bench(place)
        return Lens.of(bench, self.source(place), self.tokenizer, self.plan.recipe_path)

    def outcomes(self, place: int, numbers: Sequence[int]) -> Iterator[Outcome]:
        """What becomes of the rows of these numbers, from 1, in the order of the data set."""
        import numpy as np

        bench = self.bench(place)
        wanted = np.asarray(sorted({number - 1 for number in numbers}), dtype=np.int64)
        for chunk in bench.reader.rows.chunks:
            inside = wanted[(wanted >= chunk.start) & (wanted < chunk.stop)]
            if len(inside):
                yield from outcomes(bench, Task(place, chunk, inside))

    def used(self, place: int) -> Iterator[int]:
        """The numbers, from 1, of the rows that `limit` and `fraction_of_rows` leave."""
        reader = self.bench(place).reader
        drawn = chosen(reader.source, len(reader.rows), self.plan.data.seed)
        yield from (
            range(1, len(reader.rows) + 1)
            if drawn is None
            else (int(number) + 1 for number in drawn)
        )

    def spread(self, place: int, count: int) -> list[int]:
        """The numbers of `count` rows, spread over the first thousand that are used."""
        first = takewhile(lambda number: number <= CHUNK_ROWS, self.used(place))
        numbers = list(islice(first, len(self.bench(place).reader.rows)))
        if len(numbers) <= count:
            return numbers
        return [numbers[at * len(numbers) // count] for at in range(count)]
