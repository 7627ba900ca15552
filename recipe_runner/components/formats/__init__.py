"""Data formats: the layout of rows, one file each."""
