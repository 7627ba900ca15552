"""Generates the files that are derived from the code, and checks them."""
