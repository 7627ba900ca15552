"""Other tools that train the jobs of `benchmarks.speed`: a file for each."""
