"""The launch part of a plan: the command, accelerate's configuration, the environment."""

from collections.abc import Mapping
from typing import Any

from recipe_runner.compiler.resolve_speed import used
from recipe_runner.compiler.resolved import ResolvedRecipe
from recipe_runner.components.base import settled
from recipe_runner.components.sharding import Processes
from recipe_runner.plan import LaunchPlan

_ENVIRONMENT = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
"""Set before upstream is imported: no telemetry, no bars of its own, no fork warnings."""

WORKER = "recipe_runner.execute.worker"


def compile_launch(resolved: ResolvedRecipe, run_dir: str) -> LaunchPlan:
    """How the run is started on each machine."""
    launch = resolved.recipe.launch
    count = settled(launch.num_processes)
    environment = dict(_ENVIRONMENT)
    for tracker in resolved.recipe.tracking:
        environment.update(tracker.environment())
    if not settled(launch.use_cpu):
        environment["PYTORCH_CUDA_ALLOC_CONF"] = "expandable_segments:True"
    if launch.num_cpu_threads_per_process is not None:
        environment["OMP_NUM_THREADS"] = str(launch.num_cpu_threads_per_process)
    elif used(resolved.levers, "counts_cores"):
        share = max(1, resolved.machine.cpus // count)
        environment.update(OMP_NUM_THREADS=str(share), OMP_WAIT_POLICY="PASSIVE")
    config = _accelerate(resolved) if count > 1 else None
    command: tuple[str, ...] = ("python", "-m", WORKER, run_dir)
    if config is not None:
        command = (
            "python",
            "-m",
            "accelerate.commands.launch",
            "--config_file",
            f"{run_dir}/accelerate.yaml",
            "-m",
            WORKER,
            run_dir,
        )
    return LaunchPlan(
        strategy=resolved.sharding.type,
        num_processes=count,
        num_machines=launch.num_machines,
        mixed_precision=settled(launch.mixed_precision),
        command=command,
        accelerate_config=config,
        environment=environment,
    )


def _accelerate(resolved: ResolvedRecipe) -> Mapping[str, Any]:
    launch = resolved.recipe.launch
    cpu = settled(launch.use_cpu)
    processes = Processes(
        num_processes=settled(launch.num_processes),
        num_machines=launch.num_machines,
        mixed_precision=settled(launch.mixed_precision),
        cpu=cpu,
    )
    config: dict[str, Any] = {
        "compute_environment": "LOCAL_MACHINE",
        "num_machines": launch.num_machines,
        "num_processes": processes.num_processes,
        "machine_rank": 0,
        "mixed_precision": processes.mixed_precision,
        "main_training_function": "main",
        "rdzv_backend": "static",
        "same_network": True,
        "main_process_port": launch.main_process_port if launch.num_machines > 1 else 0,
        "use_cpu": cpu,
        **resolved.sharding.compile(processes),
    }
    if launch.main_process_ip is not None:
        config["main_process_ip"] = launch.main_process_ip
    return config
