"""One file for each form that a model can be exported to."""
