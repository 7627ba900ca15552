"""One file per lever; see `components/lever.py`."""
