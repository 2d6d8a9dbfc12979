"""Options of a run: one nested object that every neural generator takes."""

import json
import pickle

import numpy as np
import pytest
import torch
from interrupting import Power
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import make_pipeline

from ganaug import Callback, ImageGAN, RunOptions, TableGAN
from ganaug.engine.host import threads_limited

X, Y = np.random.default_rng(0).normal(size=(20, 2)), np.arange(20) % 2
QUICK = {"steps": 60, "batch_size": 4, "width": 8, "random_state": 0, "verbose": False}


class Tracker(Callback):
    """As for an experiment tracker: keeps what it is given, also across an interruption."""

    name = "tracker"

    def __init__(self, stop_at=None):
        self.stop_at, self.steps, self.losses, self.finished = stop_at, 0, [], 0

    def on_step(self, state):
        self.steps += 1

    def on_reading(self, state):
        self.losses.append(state.history[-1]["generator_loss"])
        if state.step == self.stop_at:
            state.stop()

    def on_end(self, state):
        self.finished += 1

    def state_dict(self):
        return {"losses": self.losses}

    def load_state_dict(self, state):
        self.losses = list(state["losses"])


@pytest.mark.parametrize("kind", [ImageGAN, TableGAN])
def test_they_are_set_through_the_estimator_its_clones_pipelines_and_grids(kind):
    assert len(kind._get_param_names()) <= 14
    gan = kind()
    assert gan.run is None
    assert gan.get_params()["run__health"] == "report"
    changed = clone(gan).set_params(run__log_dir="log", run__health="adapt")
    assert repr(changed.run) == "RunOptions(health='adapt', log_dir='log')"
    assert gan.run is None
    for copied in (clone(changed), pickle.loads(pickle.dumps(changed))):
        assert copied.run is not changed.run
        assert copied.run.get_params() == changed.run.get_params()
    (point,) = ParameterGrid({f"{kind.__name__.lower()}__run__checkpoint_every": [7]})
    assert make_pipeline(kind()).set_params(**point)[0].run.checkpoint_every == 7


@pytest.mark.parametrize(
    ("run", "error", "message"),
    [
        ({"log_dir": "log"}, TypeError, r"run must be a RunOptions or None, got a dict; pass run=RunOptions\(log_dir="),
        ({"health": "adapt"}, TypeError, r"got a dict; pass run=RunOptions\(health="),
        ("log", TypeError, "got a str; pass run="),
        (RunOptions, TypeError, "got a type; pass run="),
        (RunOptions(health="well"), ValueError, "'health' parameter of RunOptions"),
        (RunOptions(callbacks=Tracker()), ValueError, "'callbacks' parameter of RunOptions"),
        (RunOptions(callbacks=[Tracker]), TypeError, "derived from ganaug.Callback, got Tracker; pass instances"),
        (RunOptions(callbacks=[print]), TypeError, "derived from ganaug.Callback, got builtin_function_or_method"),
        (RunOptions(callbacks=[Tracker(), Tracker()]), ValueError, "names of their own"),
        (RunOptions(threads=0), ValueError, "'threads' parameter of RunOptions"),
        (RunOptions(precision="fp8"), ValueError, "'precision' parameter of RunOptions"),
        (RunOptions(precision="bf16"), ValueError, "run.precision is 'bf16', but a TableGAN trains in fp32"),
        (RunOptions(callbacks=[Callback()]), ValueError, "identifier as name, got None from a Callback; set `name`"),
    ],
)
def test_what_is_not_an_option_is_refused_before_training(run, error, message):
    with pytest.raises(error, match=message):
        TableGAN(**QUICK, run=run).fit(X, Y)


def test_callbacks_of_a_user_look_on_and_may_end_the_training(tmp_path):
    whole, tracker = TableGAN(**QUICK).fit(X, Y), Tracker()
    gan = TableGAN(**QUICK, run=RunOptions(callbacks=[tracker])).fit(X, Y)
    assert (tracker.steps, tracker.finished) == (60, 1)
    assert tracker.losses == [reading["generator_loss"] for reading in gan.history_]
    assert all((gan.tensors()[name] == tensor).all() for name, tensor in whole.tensors().items())
    stopped = TableGAN(**QUICK, run=RunOptions(health="adapt", callbacks=[Tracker(stop_at=50)])).fit(X, Y)
    assert [reading["step"] for reading in stopped.history_] == [50]
    params = json.loads((stopped.save(tmp_path / "m") / "config.json").read_text())["params"]
    kept = {"run__health", "run__validation_fraction", "run__precision"}
    assert {name for name in params if name.startswith("run")} == kept
    assert repr(TableGAN.load(tmp_path / "m").run) == "RunOptions(health='adapt')"
    assert TableGAN.load(gan.save(tmp_path / "n")).run is None


def test_checkpoints_hold_what_callbacks_of_a_user_came_to(tmp_path):
    expected, resumed = Tracker(), Tracker()
    TableGAN(**QUICK, run=RunOptions(callbacks=[expected])).fit(X, Y)
    options = RunOptions(checkpoint_dir=tmp_path, checkpoint_every=5, callbacks=[Tracker(), Power(58)])
    gan = TableGAN(**QUICK, run=options)
    with pytest.raises(KeyboardInterrupt):
        gan.fit(X, Y)
    gan.set_params(run__callbacks=[resumed]).fit(X, Y)
    assert resumed.losses == expected.losses
    assert resumed.steps == 5


@pytest.mark.parametrize(("threads", "during"), [(1, 1), (2, 2), (None, 3)])
def test_threads_are_those_asked_for_while_it_trains_and_as_before_afterwards(threads, during):
    class Counted(Callback):
        name = "counted"
        found = ()

        def on_step(self, state):
            self.found = (*self.found, torch.get_num_threads())

        def on_reading(self, state):
            raise KeyboardInterrupt

    counted = Counted()
    with threads_limited(3):
        with pytest.raises(KeyboardInterrupt):
            TableGAN(**QUICK, run=RunOptions(threads=threads, callbacks=[counted])).fit(X, Y)
        assert torch.get_num_threads() == 3
    assert set(counted.found) == {during}


def test_by_default_weights_do_not_depend_on_the_number_of_threads():
    images = np.random.default_rng(0).integers(0, 256, (40, 28, 28), dtype=np.uint8)
    fitted = []
    for n in (1, 3):
        with threads_limited(n):
            gan = ImageGAN(steps=3, device="cpu", random_state=0, verbose=False).fit(images, np.arange(40) % 2)
            fitted.append(gan.tensors())
    assert all(torch.equal(tensor, fitted[1][name]) for name, tensor in fitted[0].items())
