"""Tests run side by side, and what they start runs beside them: each computes on one thread."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
