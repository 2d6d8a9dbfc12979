"""How networks are trained, whatever the objective: the loop, its state, callbacks, processes and devices."""

from ganaug.engine.callback import Callback
from ganaug.engine.loop import TrainingConfig, TrainingDiverged, train
from ganaug.engine.memory import OutOfMemory
from ganaug.engine.run_options import RunOptions
from ganaug.engine.state import TrainingState

__all__ = ["Callback", "OutOfMemory", "RunOptions", "TrainingConfig", "TrainingDiverged", "TrainingState", "train"]
