"""The table that a speed benchmark prints and keeps."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path

import torch

from ganaug.data.files import write_atomically

__all__ = ["publish"]


def publish(title: str, script: str, rows: Sequence[Sequence[str]], output: Path | None) -> None:
    """Print cases, what was measured and ratios as Markdown, and write them to `output` if it is given."""
    where = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine()
    text = "\n".join(
        [
            f"{title} ({where}, torch {torch.__version__}), by",
            f"`python benchmarks/speed/{script}`.",
            "",
            "| case | measured | ratio |",
            "|---|---|---|",
            *(f"| {' | '.join(row)} |" for row in rows),
            "",
        ]
    )
    print(text)
    if output:
        write_atomically(output, text)
