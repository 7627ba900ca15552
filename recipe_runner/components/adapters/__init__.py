"""Adapters: which parameters are trained, one file each."""
