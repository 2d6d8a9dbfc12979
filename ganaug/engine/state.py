"""Everything that a training run needs to be resumed, as tensors and plain values."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.optim import Optimizer

from ganaug.data.json_values import clip, number, short, whole
from ganaug.engine.averages import MovingAverage
from ganaug.engine.config import TrainingConfig
from ganaug.engine.distributed import ALONE, DistributedContext
from ganaug.engine.objective import Objective

__all__ = ["TrainingState", "check_records"]

Snapshot = dict[str, dict[str, Any]]
COUNTERS = ("step", "good_step", "rollbacks", "scale")
WHOLE = ("step", "good_step", "rollbacks")
OPTIMIZER_ENTRIES = {"step", "exp_avg", "exp_avg_sq"}


class Listener(Protocol):
    """What a training state asks of a callback."""

    name: ClassVar[str]

    def on_event(self, name: str, **values: Any) -> None:
        """Called with a message about something unusual."""

    def state_dict(self) -> dict[str, Any]:
        """JSON values and tensors by name."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Inverse of :meth:`state_dict`."""


@dataclass
class TrainingState:
    """Where a training run stands after a whole number of steps.

    Attributes
    ----------
    objective : Objective
        Networks, moving averages and optimisers.
    config : TrainingConfig
    randomness : torch.Generator
        On the CPU; source of all randomness of the run.
    callbacks : sequence of Callback
    processes : DistributedContext
        Those that train together.
    step : int
        Steps taken.
    ended : bool
        Whether the training is over: all steps are taken, or a callback asked for the end.
    good : dict
        Copy of networks, averages and optimisers at the last reading whose losses were finite.
    good_step : int
        Step of that reading.
    rollbacks : int
        How often the run went back to such a reading.
    scale : float
        Factor of the learning rate, after what went wrong.
    sums : Tensor of shape (n_losses,)
        Sums since the last reading of what the step returns.
    kinds : dict of int
        Steps of each kind among them.
    history, findings : list of dict
        The readings; what went wrong, and what was done about it.

    Examples
    --------
    >>> import torch
    >>> class Small:
    ...     networks, loss_names = {"layer": torch.nn.Linear(2, 1)}, ("loss",)
    ...     ema, optimizers, state_dict = dict(networks), {}, dict
    >>> config = TrainingConfig(
    ...     steps=9, batch_size=2, learning_rate=0.1, final_learning_rate=0.1, label_temperature=0
    ... )
    >>> tensors, values = TrainingState(Small(), config, torch.Generator()).dump()
    >>> values["step"], tensors["ema.layer.bias"].shape
    (0, torch.Size([1]))
    """

    objective: Objective
    config: TrainingConfig
    randomness: Generator
    callbacks: Sequence[Listener] = ()
    processes: DistributedContext = ALONE
    step: int = 0
    ended: bool = False
    good: Snapshot = field(default_factory=dict)
    good_step: int = 0
    rollbacks: int = 0
    scale: float = 1.0
    sums: Tensor = field(init=False)
    kinds: dict[str, int] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        weight = next(weight for network in self.objective.networks.values() for weight in network.parameters())
        self.sums = torch.zeros(len(self.objective.loss_names)).to(weight.device)
        self.stopping = False
        self.averages = [MovingAverage(ema, self.objective.networks[name]) for name, ema in self.objective.ema.items()]
        self._began = time.perf_counter()
        self.keep()

    @property
    def seconds(self) -> float:
        """Time spent on the run, also before it was last taken up."""
        return time.perf_counter() - self._began

    def stop(self) -> None:
        """End the training at the next reading."""
        self.stopping = True

    def report(self, name: str, **values: Any) -> None:
        """Tell all callbacks of something out of the ordinary."""
        for callback in self.callbacks:
            callback.on_event(name, **values)

    def keep(self) -> None:
        """Keep a copy of networks and optimisers as they are, to go back to."""
        self.good, self.good_step = _snapshot(self.objective), self.step

    def go_back(self) -> None:
        """Return networks and optimisers to the copy kept last."""
        for name, part in _parts(self.objective).items():
            part.load_state_dict(copy.deepcopy(self.good[name]))
        self.step = self.good_step

    def start_sums(self) -> None:
        """Begin a new interval between two readings."""
        self.sums.zero_()
        self.kinds = {}

    def dump(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors by name, and the rest as JSON values.

        The tensors of networks and optimisers are the run's own, not copies.

        Raises
        ------
        TypeError
            For a value of a callback that is neither a tensor nor has a place in JSON.
        """
        parts = {name: part.state_dict() for name, part in _parts(self.objective).items()}
        tensors = {"randomness": self.randomness.get_state(), "sums": self.sums, **_named(self.objective, parts)}
        if self.good_step != self.step:
            tensors |= {f"good.{name}": tensor for name, tensor in _named(self.objective, self.good).items()}
        values = {name: getattr(self, name) for name in (*COUNTERS, "seconds", "ended", "kinds", "history", "findings")}
        values |= {"objective": self.objective.state_dict(), "callbacks": {}}
        for callback in self.callbacks:
            own = callback.state_dict()
            tensors |= {f"callbacks.{callback.name}.{k}": v for k, v in own.items() if isinstance(v, Tensor)}
            others = {k: v for k, v in own.items() if not isinstance(v, Tensor)}
            values["callbacks"][callback.name] = {k: _plain(v, callback.name, k) for k, v in others.items()}
        return tensors, values

    def load(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Inverse of :meth:`dump`, for a state of the same networks; callbacks that it does not know are left alone.

        Raises
        ------
        ValueError, LookupError, TypeError, RuntimeError
            For what cannot be such a state; this one may be half loaded then.
        """
        self._check(values)
        good = _under("good", tensors)
        if good:
            _load_named(self.objective, good)
            self.good = _snapshot(self.objective)
        _load_named(self.objective, tensors)
        if not good:
            self.good = _snapshot(self.objective)
        self.objective.load_state_dict(values["objective"])
        for callback in self.callbacks:
            if callback.name in values["callbacks"]:
                own = _under(f"callbacks.{callback.name}", tensors)
                _load_callback(callback, {**values["callbacks"][callback.name], **own})
        for name in COUNTERS:
            setattr(self, name, values[name])
        self.ended = values["ended"]
        self.kinds = dict(values["kinds"])
        self.history, self.findings = list(values["history"]), list(values["findings"])
        self._began = time.perf_counter() - values["seconds"]
        self.sums.copy_(tensors["sums"])
        self.randomness.set_state(tensors["randomness"])

    def _check(self, values: Mapping[str, Any]) -> None:
        for name in (*COUNTERS, "seconds"):
            (whole(values[name], name, 0, 2**53) if name in WHOLE else number(values[name], name, least=0))
        whole(values["good_step"], "good_step", 0, values["step"])
        for kind, taken in values["kinds"].items():
            whole(taken, kind, 1, 2**53)
        if values["step"] > values["good_step"] and not values["kinds"]:
            raise ValueError("the kinds of steps are missing")
        if not isinstance(values["ended"], bool):
            raise ValueError(f"ended must be true or false, got {short(values['ended'])}")
        check_records("history", values["history"], (*self.objective.loss_names, "seconds"))
        check_records("findings", values["findings"])
        if (values["ended"] or values["step"] >= self.config.steps) and not values["history"]:
            raise ValueError("a finished run has a history")


def check_records(name: str, records: Any, required: Sequence[str] = ()) -> None:
    """Raise ``ValueError`` or ``LookupError`` unless these are records of steps: of numbers, but for names."""
    if not isinstance(records, list) or not all(isinstance(record, dict) and "step" in record for record in records):
        raise ValueError(f"{name} must be a list of records, got {short(records)}")
    for record in records:
        for key in required:
            number(record[key], key)
        for key, value in record.items():
            if key not in ("classes", "finding", "class", "action"):
                number(value, key)


def _plain(value: Any, name: str, key: str) -> Any:
    """A value of a callback's state as JSON has it: numbers of numpy as Python's."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list | tuple):
        return [_plain(each, name, key) for each in value]
    if isinstance(value, dict) and all(isinstance(each, str) for each in value):
        return {own: _plain(each, name, key) for own, each in value.items()}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(
        f"the callback {name!r} has {short(value)} in its state under {key!r}, which a checkpoint cannot hold; return "
        "tensors, and numbers, texts, lists or dictionaries by names, from its state_dict"
    )


def _load_callback(callback: Listener, own: dict[str, Any]) -> None:
    try:
        callback.load_state_dict(own)
    except (LookupError, ValueError, TypeError, RuntimeError, AttributeError) as error:
        reason = clip(f"{type(error).__name__}: {error}", 150)
        raise ValueError(f"load_state_dict of the callback {callback.name!r} failed with {reason}") from error


def _parts(objective: Objective) -> dict[str, nn.Module | Optimizer]:
    """All that a step or the moving average changes, by names such as "networks.generator"."""
    named: dict[str, Mapping[str, nn.Module | Optimizer]] = {
        "networks": objective.networks,
        "ema": objective.ema,
        "optimizers": objective.optimizers,
    }
    return {f"{group}.{name}": part for group, parts in named.items() for name, part in parts.items()}


def _snapshot(objective: Objective) -> Snapshot:
    """Copy the states of networks and optimisers."""
    return {name: copy.deepcopy(part.state_dict()) for name, part in _parts(objective).items()}


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors whose dotted names begin so, by the rest of the name."""
    return {name.removeprefix(f"{prefix}."): t for name, t in tensors.items() if name.startswith(f"{prefix}.")}


def _named(objective: Objective, states: Snapshot) -> dict[str, Tensor]:
    """Tensors of a snapshot by dotted names, such as ``optimizers.generator.3.exp_avg``."""
    named: dict[str, Tensor] = {}
    for name, part in _parts(objective).items():
        state = states[name]
        if isinstance(part, nn.Module):
            named |= {f"{name}.{key}": tensor for key, tensor in state.items()}
        else:
            for index, entries in state["state"].items():
                named |= {f"{name}.{index}.{key}": tensor for key, tensor in entries.items()}
    return named


def _load_named(objective: Objective, tensors: Mapping[str, Tensor]) -> None:
    for name, part in _parts(objective).items():
        own = _under(name, tensors)
        if isinstance(part, nn.Module):
            part.load_state_dict(own)
        else:
            _load_optimizer(part, own)


def _load_optimizer(optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
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
