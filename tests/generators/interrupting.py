"""Callbacks that stand in for what happens to a training from outside."""

import signal

import torch

from ganaug import Callback


class Power(Callback):
    """Cuts the training off after a step, before anything is written."""

    name = "power"

    def __init__(self, step):
        self.step = step

    def on_step(self, state):
        if state.step == self.step:
            raise KeyboardInterrupt


class Interrupt(Callback):
    """Raises SIGINT, or what else it is given, after the steps named by how many it has seen, and spoils weights."""

    name = "interrupt"

    def __init__(self, at=(), spoilt=(), number=signal.SIGINT):
        self.seen, self.at, self.spoilt, self.number = 0, at, spoilt, number

    def on_step(self, state):
        self.seen += 1
        if self.seen in self.spoilt:
            with torch.no_grad():
                next(state.objective.networks["generator"].parameters()).fill_(float("nan"))
        if self.seen in self.at:
            signal.raise_signal(self.number)


class NoTraining(Callback):
    """Finds that a step was taken."""

    name = "no_training"

    def on_step(self, state):
        raise AssertionError("it was trained")
