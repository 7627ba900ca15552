"""Fine-tune language models from one YAML file, the recipe."""

__version__ = "0.1.0"
