"""Quantizations of the base model, one file each."""
