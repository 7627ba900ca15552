"""Adapters beyond their configuration: where they begin, what moves them, how they are saved."""
