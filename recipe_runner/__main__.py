"""`python -m recipe_runner` is the command `recipe-run`."""

import sys

from recipe_runner.cli import main

sys.exit(main())
