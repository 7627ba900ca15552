"""Threads that suit the cores a process may use."""

from typing import ClassVar, Literal

from recipe_runner.components.lever import Lever, Situation, Verdict, applied, not_needed


class Threads(Lever):
    """PyTorch computes with as many threads as the process may use cores.

    On its own it counts the cores of the machine, also where a container may use two of them,
    and threads that wait for each other burn their share. Waiting threads sleep.
    """

    type: Literal["threads"]

    counts_cores: ClassVar[bool] = True
    snippet: ClassVar[str] = "speed: {threads: off}"
    gain: ClassVar[str] = "up to 2.6 times on a host that does other work"

    def judge(self, situation: Situation) -> Verdict:
        """Used on CPUs, unless the recipe says how many."""
        if not situation.cpu:
            return not_needed("a GPU computes")
        if situation.threads is not None:
            return not_needed("`launch.num_cpu_threads_per_process` says how many")
        share = max(1, situation.cpus // situation.processes)
        return applied(f"{situation.cpus} cores for {situation.processes} processes: {share} each")
