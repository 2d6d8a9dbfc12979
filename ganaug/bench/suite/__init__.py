"""What a benchmark compares, declared: the schema of suites, and what they name."""
