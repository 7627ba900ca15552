"""What makes a run fast; each file does what the lever of the same name promises."""
