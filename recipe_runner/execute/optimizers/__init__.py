"""Optimizers: groups with learning rates of their own, and Muon.

A trainer makes its optimizer itself; what is here comes in between only where the plan says so.
"""
