"""Rewards: what an answer is worth, one file each."""
