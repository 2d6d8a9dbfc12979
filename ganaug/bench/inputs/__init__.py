"""Data sets of a benchmark, and which of their samples are trained and tested on."""
