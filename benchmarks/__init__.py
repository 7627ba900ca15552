"""Measures `recipe-run` beside a plain TRL script; `python -m benchmarks`, or `make bench`."""
