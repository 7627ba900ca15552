"""Turns a recipe and a machine into a plan, without side effects."""
