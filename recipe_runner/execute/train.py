"""Trains one plan in this process: the only place where the parts of a run come together.

Knows nothing of how many processes there are beyond what accelerate says, and writes
nothing on ranks other than 0 but their logs.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipe_runner.execute import record
from recipe_runner.execute.adapters.base import drop_references, save_joined
from recipe_runner.execute.adapters.begin import Beginning
from recipe_runner.execute.adapters.saving import save_for_plain_base
from recipe_runner.execute.checkpoints import newest_complete
from recipe_runner.execute.codes import during
from recipe_runner.execute.complete import adopt, has_all_steps
from recipe_runner.execute.console import Console, Silent
from recipe_runner.execute.endings import idle, stopped
from recipe_runner.execute.fault import fault
from recipe_runner.execute.libraries import load_libraries
from recipe_runner.execute.optimizers.averaged import settle
from recipe_runner.execute.outcome import Outcome, Scored
from recipe_runner.execute.record import RunDirectory
from recipe_runner.execute.resume import note_rows
from recipe_runner.execute.suppliers import Data, Suppliers, default_suppliers
from recipe_runner.execute.watched import changes
from recipe_runner.plan import MonitorPlan, Plan, digest

if TYPE_CHECKING:
    from recipe_runner.execute.scoring import Scoring
    from recipe_runner.execute.speed.levers import Receipt
    from recipe_runner.execute.trainer import Company


def train(
    plan: Plan,
    run: RunDirectory,
    console: Console,
    *,
    resume: Path | None = None,
    suppliers: Suppliers | None = None,
) -> Outcome:
    """Train `plan`, save the result into the run directory and say how it went.

    `environment.apply` must have run before, and the run directory must hold the plan.
    Raises `DiagnosticError` for everything that ends the run other than success and
    interruption.
    """
    load_libraries(plan)
    from recipe_runner.execute.callbacks.interrupt import Interrupt
    from recipe_runner.execute.environment import hush

    hush()
    rank, processes = _place()
    interrupt = Interrupt(console, run.stop_file, rank, processes)
    started = time.monotonic()
    session = _Session(plan, run, console, suppliers or default_suppliers(), rank, processes)
    try:
        with interrupt.listening(), session.levers:
            return session.run_to_end(interrupt, resume, started)
    except KeyboardInterrupt:
        return session.interrupted(resume, started)


@dataclass
class _Session:
    plan: Plan
    run: RunDirectory
    console: Console
    suppliers: Suppliers
    rank: int
    processes: int
    step: int = 0
    total: int = 0
    beginning: Beginning | None = None
    levers: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    receipts: tuple[Receipt, ...] = ()

    def run_to_end(self, interrupt: Any, resume: Path | None, started: float) -> Outcome:
        from recipe_runner.execute.callbacks.metrics import Metrics
        from recipe_runner.execute.callbacks.watch import Watch
        from recipe_runner.execute.cost_record import CostRecord
        from recipe_runner.execute.model import load_model
        from recipe_runner.execute.speed.levers import hook, with_model
        from recipe_runner.execute.tokenizer import load_tokenizer
        from recipe_runner.execute.trainer import build_trainer, training_arguments

        plan, main = self.plan, self.rank == 0
        tokenizer = load_tokenizer(plan.tokenizer)
        # Several processes find in the cache what the launching one prepared and told.
        teller = self.console if self.processes == 1 else Silent()
        if self.processes == 1 and self.suppliers.inspect is not None:
            self.suppliers.inspect(plan, tokenizer, teller)
        data = self.suppliers.prepare(plan, tokenizer, teller)
        if main and data.receipt is not None:
            note_rows(self.run, data.receipt, resume)
        # The first to touch a GPU; until here processes could be forked.
        arguments = training_arguments(plan, self.run.checkpoints)
        processor, collator = self._vision(tokenizer, data)
        metrics = Metrics(self.run.metrics_file if main else None)
        cost = CostRecord(plan, self.run if main else None, metrics)
        model = load_model(plan, tokenizer, hook(plan, "make_model"))
        plan = with_model(plan, model)
        if plan != self.plan:
            arguments = training_arguments(plan, self.run.checkpoints)
        if plan.adapter is not None:
            self.beginning = Beginning(plan, model, processor or tokenizer, data.train)
        watch = Watch(plan.monitor)
        trainer = build_trainer(
            plan,
            arguments=arguments,
            model=model,
            tokenizer=processor or tokenizer,
            train=data.train,
            evaluation=data.eval,
            # The watch looks at weights that anybody before it wants to save.
            callbacks=[
                *_early_stopping(plan.monitor),
                interrupt,
                watch,
                *self._tail(metrics),
                cost,
            ],
            collator=collator,
            company=self._company(tokenizer, resume),
            beginning=self.beginning,
        )
        if main:
            self._compare(trainer.accelerator.unwrap_model(trainer.model))
        self._demand_peers()
        scoring = self._scoring(data)
        if scoring is not None and resume is None:
            scoring.before(trainer.accelerator.unwrap_model(trainer.model), tokenizer)
        self._fast(plan, trainer)
        if resume is not None and has_all_steps(resume):
            adopt(trainer, resume)
            metrics.recall(int(trainer.state.global_step))
        else:
            trainer.train(resume_from_checkpoint=str(resume) if resume else None)
        self.step, self.total = int(trainer.state.global_step), int(trainer.state.max_steps)
        if watch.stopped is not None:
            newest = newest_complete(self.run.checkpoints, self.processes)
            raise stopped(plan, watch.stopped, newest)
        if interrupt.stopped:
            raise KeyboardInterrupt
        if self.step == 0:
            count = None if plan.data.streaming else len(data.train)
            raise idle(plan, self.processes, count)
        if main and plan.data.streaming:
            self._streamed(data)
        reader = processor or tokenizer
        return self._conclude(trainer, reader, data, metrics, scoring, resume, started)

    def _fast(self, plan: Plan, trainer: Any) -> None:
        """Put the levers on, until the session ends, and say what became of each.

        `plan` has those that the loaded model is for.
        """
        from recipe_runner.execute.speed.levers import levers_of, used_words

        self.receipts = self.levers.enter_context(levers_of(plan, trainer))
        if self.rank == 0:
            self.levers.callback(self._note_levers)
            self._note_levers()
            for line in used_words(self.plan, self.receipts):
                self.console.line(line)

    def _note_levers(self) -> None:
        told = [each.to_json(ended=self.step > 0) for each in self.receipts]
        self.run.update_status(speed=told)

    def _company(self, tokenizer: Any, resume: Path | None) -> Company:
        """The models beside the one that trains, and what judges its answers."""
        from recipe_runner.execute.model import load_other
        from recipe_runner.execute.trainer import Company

        plan = self.plan
        models = {
            other.role: load_other(plan, other.model)
            for other in plan.models
            if not other.role.startswith("rewards.")
        }
        if not plan.rewards:
            return Company(models)
        from recipe_runner.execute.rewards import CompletionsLog, build_rewards

        log = CompletionsLog(self.run.completions_file if self.rank == 0 else None)
        return Company(models, build_rewards(plan, tokenizer, log))

    def _compare(self, model: Any) -> None:
        """Note how much trains, and say so where the plan has told something else."""
        from recipe_runner.execute.trace import count

        total, trained = count(model)
        self.run.update_status(parameters={"all": total, "trained": trained})
        told = self.plan.parameters.trained if self.plan.parameters is not None else None
        if told not in (None, trained):
            self.console.line(
                f"note: {trained:,} parameters train, and the plan says {told:,}: that is a "
                "fault of recipe_runner; what trains is what the recipe names"
            )

    def interrupted(self, resume: Path | None, started: float) -> Outcome:
        checkpoint = newest_complete(self.run.checkpoints, self.processes)
        if self.rank == 0:
            self.console.progress(None)
        return Outcome(
            status="interrupted",
            run_dir=self.run.path,
            step=self.step,
            total=self.total or self.plan.steps.total or 0,
            seconds=time.monotonic() - started,
            checkpoint=checkpoint,
            resumed_from=resume,
        )

    def _conclude(
        self,
        trainer: Any,
        tokenizer: Any,
        data: Data,
        metrics: Any,
        scoring: Scoring | None,
        resume: Path | None,
        started: float,
    ) -> Outcome:
        settle(trainer)
        # An evaluation at the last step has just been done, unless an older, better
        # checkpoint has been loaded since.
        best = str(trainer.state.best_model_checkpoint or "")
        older = trainer.args.load_best_model_at_end and not best.endswith(f"-{self.step}")
        if data.eval is not None and (older or metrics.last_eval.get("step") != self.step):
            trainer.evaluate()
        numbers = _numbers({**metrics.last, **metrics.last_eval})
        # The result is on disk before anything else can go wrong.
        self._save(trainer, tokenizer)
        scored = None
        if scoring is not None:
            scored = scoring.after(trainer.accelerator.unwrap_model(trainer.model), tokenizer)
        if self.rank == 0:
            self._describe(numbers, scored)
        return Outcome(
            status="finished",
            run_dir=self.run.path,
            step=self.step,
            total=self.total,
            seconds=time.monotonic() - started,
            metrics=numbers,
            model=self.run.model,
            checkpoint=newest_complete(self.run.checkpoints, self.processes),
            resumed_from=resume,
            stopped_early=self.step < self.total,
            scored=scored,
            watched=tuple(
                changes((metrics.first, metrics.last), (metrics.first_eval, metrics.last_eval))
            ),
        )

    def _streamed(self, data: Data) -> None:
        """Say and note what became of the rows of the stream, which only the run could find."""
        from recipe_runner.execute.data.streamed import Streamed

        assert isinstance(data, Streamed), "a plan that streams has a stream"
        for line in data.train.told():
            self.console.line(line)
        note_rows(self.run, data.final(), None)

    def _vision(self, tokenizer: Any, data: Data) -> tuple[Any, Any]:
        """The processor of a model that sees, and what makes its batches; None for others."""
        if not self.plan.model.sees:
            return None, None
        from recipe_runner.execute.data.prepare import Prepared
        from recipe_runner.execute.feeds import batches_of
        from recipe_runner.execute.vision import VisionCollator, load_processor

        assert isinstance(data, Prepared), "rows with images come from prepared data"
        processor = load_processor(self.plan, tokenizer)
        tokens = batches_of(self.plan, tokenizer)
        assert tokens is not None, "rows with images are sequences"
        return processor, VisionCollator(processor, tokens, data.folder, self.plan.recipe_path)

    def _save(self, trainer: Any, tokenizer: Any) -> None:
        """Save the model and the tokenizer, or the processor that holds it."""
        with record.writing(self.run.model):
            # Every rank takes part: a sharded model is gathered while it is saved.
            trainer.save_model(str(self.run.model))
            if self.rank != 0:
                return
            tokenizer.save_pretrained(str(self.run.model))
            model = trainer.accelerator.unwrap_model(trainer.model)
            if self.beginning is not None and self.beginning.first is not None:
                save_for_plain_base(model, self.beginning.first, self.run.model)
            if self.beginning is not None and self.beginning.beneath:
                save_joined(model, self.run.model)
            if self.beginning is not None:
                drop_references(self.run.model)
            if getattr(model, "generation_config", None) is not None:
                model.generation_config.save_pretrained(str(self.run.model))
            # A pickle of the trainer's arguments; the plan says the same as data.
            (self.run.model / "training_args.bin").unlink(missing_ok=True)

    def _describe(self, numbers: dict[str, float], scored: Scored | None) -> None:
        from recipe_runner.execute.card import write_card

        with record.writing(self.run.model):
            write_card(self.run, self.plan, numbers, scored)

    def _tail(self, metrics: Any) -> Iterator[Any]:
        from recipe_runner.execute.callbacks.progress import ProgressReport
        from recipe_runner.execute.callbacks.saving import Saving
        from recipe_runner.execute.optimizers.rates import GroupRates

        if self.plan.optimizer is not None:
            yield GroupRates()
        yield metrics
        if self.rank == 0:
            yield ProgressReport(self.console, metrics)
        limit = self.plan.arguments.arguments.get("save_total_limit")
        yield Saving(
            self.run.checkpoints,
            limit=limit,
            rank=self.rank,
            processes=self.processes,
            plan=digest(self.plan),
        )

    def _demand_peers(self) -> None:
        """Refuse to train where processes that should share a batch do not know of each other."""
        wanted = self.plan.launch.num_processes
        if wanted == 1 and self.processes == 1:
            return
        from torch import distributed

        connected = distributed.get_world_size() if distributed.is_initialized() else 1
        if connected != wanted:
            raise fault(
                during.PROCESSES_APART,
                self.plan.recipe_path,
                f"the plan has {wanted} processes, and this one is connected to {connected}",
                "start the run with `recipe-run train`, which launches all of them",
            )

    def _scoring(self, data: Data) -> Scoring | None:
        """Rank 0 answers alone; the others wait for it where they next gather."""
        wanted = self.plan.monitor.score
        if wanted is None or data.eval is None or self.rank != 0:
            return None
        from recipe_runner.execute.scoring import Scoring

        rows = self.suppliers.conversations(self.plan, data, wanted.rows)
        if not rows:
            self.console.line("No score: no row to evaluate on has a turn with a text to answer")
            return None
        return Scoring(wanted, self.run, rows, self.plan.tokenizer.chat_template_kwargs)


def _place() -> tuple[int, int]:
    """The rank of this process and the number of processes."""
    import os

    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def _early_stopping(monitor: MonitorPlan) -> Iterator[Any]:
    if monitor.early_stopping_patience is None:
        return
    from recipe_runner.execute.callbacks.patience import Patience

    yield Patience(monitor.early_stopping_patience, monitor.early_stopping_threshold)


def _numbers(row: dict[str, Any]) -> dict[str, float]:
    left_out = ("kind", "time")
    return {
        name: value
        for name, value in row.items()
        if isinstance(value, int | float) and name not in left_out
    }
