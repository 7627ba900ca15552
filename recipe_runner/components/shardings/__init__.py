"""Launch strategies: how work is spread over processes, one file each."""
