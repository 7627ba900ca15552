"""`python -m recipe_runner` is the command `recipe-run`."""

import sys

if not sys.flags.safe_path:
    # The working directory: a recipe from elsewhere may bring a `datasets.py`.
    del sys.path[0]

from recipe_runner.cli import main

sys.exit(main())
