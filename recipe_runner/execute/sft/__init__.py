"""Supervised fine-tuning beyond TRL's own: batches without padding, and weighted tokens."""
