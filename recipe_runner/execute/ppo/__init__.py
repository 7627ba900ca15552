"""Proximal policy optimization, on top of what TRL generates, judges and compares.

`advantages` and `losses` are the published equations as functions of tensors,
`value_head` is the part of the policy that estimates values, `valued` and `trainer` put them
together.
"""
