"""Trackers: where metrics are sent, one file each."""
