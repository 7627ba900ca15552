"""Merges the adapter of a run into its base, and verifies the result.

`merge` writes a folder that appears when all is well, `merge_into` fills one that is there.
"""

from recipe_runner.execute.merge.merge import Merged, Wish, checked, folder_of, merge, merge_into

__all__ = ["Merged", "Wish", "checked", "folder_of", "merge", "merge_into"]
