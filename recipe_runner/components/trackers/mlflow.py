"""MLflow."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from recipe_runner.components.tracker import Tracker


class Mlflow(Tracker):
    """MLflow, on this machine or a tracking server."""

    type: Literal["mlflow"]
    experiment_name: str | None = None
    """Experiment of the run; null is MLflow's default."""
    tracking_uri: str | None = None
    """Address or folder of the tracking store; null is MLflow's default."""

    package: ClassVar[str] = "mlflow"
    module: ClassVar[str] = "mlflow"
    snippet: ClassVar[str] = "tracking: {type: mlflow, experiment_name: chat}"

    def environment(self) -> Mapping[str, str]:
        values = {
            "MLFLOW_EXPERIMENT_NAME": self.experiment_name,
            "MLFLOW_TRACKING_URI": self.tracking_uri,
        }
        return {name: value for name, value in values.items() if value is not None}
