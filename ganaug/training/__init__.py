"""How a GAN learns: losses, augmentation, the step, the loop, and what it reports."""

from ganaug.training.loop import TrainingConfig, TrainingDiverged, make_players, train
from ganaug.training.memory import OutOfMemory

__all__ = ["OutOfMemory", "TrainingConfig", "TrainingDiverged", "make_players", "train"]
