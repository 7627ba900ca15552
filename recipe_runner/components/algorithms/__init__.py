"""Algorithms: what is trained, one file each."""
