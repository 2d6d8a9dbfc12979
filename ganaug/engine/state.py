"""Everything that a training run needs to go on, as tensors and plain values."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor, nn

from ganaug.data.json_values import clip, number, short, whole
from ganaug.objectives.adversarial.step import Players

__all__ = ["TrainingState", "restore", "snapshot"]

Snapshot = list[dict[str, Any]]
COUNTERS = ("step", "good_step", "rollbacks", "scale", "penalty_factor", "augment_extra", "penalties", "seconds")
WHOLE = ("step", "good_step", "rollbacks", "penalties")
RECORDS = ("history", "looks", "findings", "validation")
OPTIMIZER_ENTRIES = {"step", "exp_avg", "exp_avg_sq"}


@dataclass
class TrainingState:
    """Where a training run stands after a whole number of steps.

    Attributes
    ----------
    players : Players
        Networks, moving average and optimisers.
    randomness : torch.Generator
        On the CPU; source of all randomness of the run.
    step : int
        Steps taken.
    good : list of dict
        Copy of the players at the last reading whose losses were finite.
    good_step : int
        Step of that reading.
    rollbacks : int
        How often the run went back to such a reading.
    scale, penalty_factor : float
        Factors of the learning rate and of gamma, after what went wrong.
    augment_extra : float
        Added to the probability of augmentation, likewise.
    sums : Tensor of shape (4,)
        Sums since the last reading of what the step returns.
    penalties : int
        Steps among them that took the gradient penalty.
    history, looks, findings, validation : list of dict
        The readings; what :class:`Health` measured, and found; what :class:`Selection` measured.
    best : dict of Tensor
        Weights of the moving average that :class:`Selection` found best; empty without it.
    seconds : float
        Time spent before the run was last taken up.

    Examples
    --------
    >>> import torch
    >>> from ganaug.engine.loop import make_players
    >>> players = make_players(torch.nn.Linear(2, 1), torch.nn.Linear(1, 1))
    >>> state = TrainingState(players, torch.Generator())
    >>> tensors, values = state.dump()
    >>> values["step"], tensors["average.bias"].shape
    (0, torch.Size([1]))
    """

    players: Players
    randomness: Generator
    step: int = 0
    good: Snapshot = field(default_factory=list)
    good_step: int = 0
    rollbacks: int = 0
    scale: float = 1.0
    penalty_factor: float = 1.0
    augment_extra: float = 0.0
    sums: Tensor = field(default_factory=lambda: torch.zeros(4))
    penalties: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    looks: list[dict[str, Any]] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    validation: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.sums = self.sums.to(next(self.players.generator.parameters()).device)
        self.keep()

    def keep(self) -> None:
        """Keep a copy of the players as they are, to go back to."""
        self.good, self.good_step = snapshot(self.players), self.step

    def go_back(self) -> None:
        """Return the players to the copy kept last."""
        restore(self.players, self.good)
        self.step = self.good_step

    def start_sums(self) -> None:
        """Begin a new interval between two readings."""
        self.sums.zero_()
        self.penalties = 0

    def dump(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors by name, and the rest as JSON values.

        The tensors of networks and optimisers are the run's own, not copies.
        """
        parts = [part.state_dict() for part in vars(self.players).values()]
        tensors = {"randomness": self.randomness.get_state(), "sums": self.sums, **_named(self.players, parts)}
        if self.good_step != self.step:
            tensors |= {f"good.{name}": tensor for name, tensor in _named(self.players, self.good).items()}
        tensors |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        return tensors, {name: getattr(self, name) for name in COUNTERS + RECORDS}

    def load(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """Inverse of :meth:`dump`, for a state of the same networks.

        Raises
        ------
        ValueError, LookupError, TypeError, RuntimeError
            For what cannot be such a state; this one may be half loaded then.
        """
        for name in COUNTERS:
            (whole(values[name], name, 0, 2**53) if name in WHOLE else number(values[name], name, least=0))
        whole(values["good_step"], "good_step", 0, values["step"])
        for name in RECORDS:
            _check_records(name, values[name])
        good = {name.removeprefix("good."): t for name, t in tensors.items() if name.startswith("good.")}
        if good:
            _load_named(self.players, good)
            self.good = snapshot(self.players)
        _load_named(self.players, tensors)
        if not good:
            self.good = snapshot(self.players)
        best = {name.removeprefix("best."): t for name, t in tensors.items() if name.startswith("best.")}
        average = self.players.average.state_dict()
        if best and {name: t.shape for name, t in best.items()} != {name: t.shape for name, t in average.items()}:
            raise ValueError("the best average has other weights than the networks")
        self.best = {name: t.to(self.sums.device) for name, t in best.items()}
        for name in COUNTERS:
            setattr(self, name, values[name])
        for name in RECORDS:
            setattr(self, name, list(values[name]))
        self.sums.copy_(tensors["sums"])
        self.randomness.set_state(tensors["randomness"])


def _check_records(name: str, records: Any) -> None:
    """Raise ``ValueError`` unless these are records of steps, of numbers but for what names something."""
    if not isinstance(records, list) or not all(isinstance(record, dict) and "step" in record for record in records):
        raise ValueError(f"{name} must be a list of records, got {short(records)}")
    for record in records:
        if name == "history":
            number(record["logit_gap"], "logit_gap")
            number(record["seconds"], "seconds")
        for key, value in record.items():
            if key == "classes":
                for measured in dict(value).values():
                    for figure in ("diversity", "nearness") if name == "looks" else ():
                        number(measured[figure], figure)
                    if name == "validation":
                        number(measured, "score")
            elif key not in ("finding", "class", "action"):
                number(value, key)


def snapshot(players: Players) -> Snapshot:
    """Copy the states of networks and optimisers."""
    return [copy.deepcopy(part.state_dict()) for part in vars(players).values()]


def restore(players: Players, kept: Snapshot) -> None:
    """Return networks and optimisers to a snapshot, which stays as it is."""
    for part, state in zip(vars(players).values(), kept, strict=True):
        part.load_state_dict(copy.deepcopy(state))


def _named(players: Players, parts: Snapshot) -> dict[str, Tensor]:
    """Tensors of a snapshot by dotted names, such as ``generator_optimizer.3.exp_avg``."""
    named: dict[str, Tensor] = {}
    for (part, owner), state in zip(vars(players).items(), parts, strict=True):
        if isinstance(owner, nn.Module):
            named |= {f"{part}.{name}": tensor for name, tensor in state.items()}
        else:
            for index, entries in state["state"].items():
                named |= {f"{part}.{index}.{name}": tensor for name, tensor in entries.items()}
    return named


def _load_named(players: Players, tensors: dict[str, Tensor]) -> None:
    for part, owner in vars(players).items():
        own = {name.removeprefix(f"{part}."): t for name, t in tensors.items() if name.startswith(f"{part}.")}
        if isinstance(owner, nn.Module):
            owner.load_state_dict(own)
        else:
            _load_optimizer(owner, own)


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, entry = name.split(".")
        weight = weights[int(index)]
        # Fused optimisers take shapes, strides and dtypes for granted, and write beyond what is smaller than a weight.
        if entry not in OPTIMIZER_ENTRIES or tensor.shape != (() if entry == "step" else weight.shape):
            raise ValueError(f"{clip(name)} of an optimizer has shape {tuple(tensor.shape)}")
        like = torch.empty((), dtype=torch.float32) if entry == "step" else torch.empty_like(weight)
        state.setdefault(int(index), {})[entry] = like.copy_(tensor)
    if any(entries.keys() != OPTIMIZER_ENTRIES for entries in state.values()):
        raise ValueError("an optimizer is incomplete")
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
