"""The recipe: its schema, and reading one with diagnostics that know their place."""
