"""Attention over several documents in one row, each of which sees only itself.

Importing the package imports no torch: `recipe-run explain` reads its codes.
"""
