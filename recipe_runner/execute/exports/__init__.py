"""Turns the result of a run into what other programs load.

`export` is the whole of it; each target is one file in `targets/`, named for the word that
the command line takes. A target writes into a folder that appears under its name only when
everything in it has been written and compared with the model that it was made of.
"""
