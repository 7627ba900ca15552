"""Answers of a model to prompts: one at a time as they are made, or many at once.

Scores, `recipe-run chat` and `recipe-run generate` share the way from messages to tokens and
back, so that they give the same answers.
"""
