"""`python rows_for_datasets.py ROWS FOLDER`: rows of JSON as datasets saves them to a folder."""

# mypy: ignore-errors

from __future__ import annotations

import json
import sys
from pathlib import Path

from datasets import Dataset, DatasetDict

lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
rows = Dataset.from_list([json.loads(line) for line in lines])
DatasetDict({"train": rows}).save_to_disk(sys.argv[2])
