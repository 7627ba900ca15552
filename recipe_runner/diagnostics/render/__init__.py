"""A report as text, JSON, GitHub annotations or SARIF: one module per form.

Each module has `render(report, ...) -> str`. A command imports only the one it prints.
"""
