"""Who runs the tasks of a benchmark: processes and clusters, and what a worker does."""
