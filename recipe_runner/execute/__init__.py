"""Runs a plan. The only package that imports the torch stack."""
