"""What a trainer is fed: data sets, batches and trainers that take prepared rows as they are."""

from recipe_runner.execute.feeds.balance import balance
from recipe_runner.execute.feeds.batches import batches_of
from recipe_runner.execute.feeds.datasets import evaluation_rows, training_rows
from recipe_runner.execute.feeds.trainers import trainer_class

__all__ = ["balance", "batches_of", "evaluation_rows", "trainer_class", "training_rows"]
