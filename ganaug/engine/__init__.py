"""How a GAN learns: losses, augmentation, the step, the loop, and what it reports."""

from ganaug.engine.loop import TrainingConfig, TrainingDiverged, make_players, train
from ganaug.engine.memory import OutOfMemory

__all__ = ["OutOfMemory", "TrainingConfig", "TrainingDiverged", "make_players", "train"]
