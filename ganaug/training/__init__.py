"""How a GAN learns: losses, augmentation, the step, the loop, and what it reports."""

from ganaug.training.loop import TrainingConfig, TrainingDiverged, make_players, train

__all__ = ["TrainingConfig", "TrainingDiverged", "make_players", "train"]
