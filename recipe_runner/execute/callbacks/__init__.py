"""What watches a run while it trains, one file per job.

The modules import transformers, so they are imported only where a run is about to start.
"""
