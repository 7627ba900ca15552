"""What a lever says where it cannot be put on after all."""

from __future__ import annotations


class Refused(Exception):
    """The loaded model or its trainer is none for the lever; says why."""
