"""Follow a training in TensorBoard by a callback of one's own; ``tensorboard --logdir FOLDER`` shows it.

An experiment tracker such as MLflow or Weights & Biases is fed in the same way.
"""

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.tensorboard import SummaryWriter

from ganaug import Callback, RunOptions, TableGAN


class ToTensorBoard(Callback):
    """Writes every reading of the losses as scalars."""

    name = "to_tensorboard"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_begin(self, state: Any) -> None:
        """Open the log."""
        self.writer = SummaryWriter(str(self.folder))

    def on_reading(self, state: Any) -> None:
        """Write a reading."""
        reading: Mapping[str, float] = state.history[-1]
        for name, value in reading.items():
            self.writer.add_scalar(f"training/{name}", value, state.step)

    def on_end(self, state: Any) -> None:
        """Close the log."""
        self.writer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=300, help="of the GAN")
    parser.add_argument("--folder", type=Path, help="of the log; default a temporary one")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    X = rng.normal(size=(200, 3)) + y[:, None]
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        run = RunOptions(callbacks=[ToTensorBoard(folder)])
        TableGAN(steps=arguments.steps, verbose=False, random_state=0, run=run).fit(X, y)
        print("written:", [path.name.split(".")[0] for path in folder.iterdir()])


if __name__ == "__main__":
    main()
