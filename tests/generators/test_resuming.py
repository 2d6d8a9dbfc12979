"""Interrupted and resumed equals never interrupted, for both GANs."""

import json
import os
import signal
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch
from interrupting import Interrupt, NoTraining

from ganaug import Callback, ImageGAN, RunOptions, TableGAN
from ganaug.generators.images.presets import PRESETS

IMAGES = {"steps": 70, "batch_size": 4, "augment_p": 0.4, "device": "cpu", "verbose": False, "random_state": 0}
TABLES = {"steps": 130, "batch_size": 4, "members": 2, "width": 8, "verbose": False, "random_state": 0}


def images(n=12):
    rng = np.random.default_rng(0)
    return (np.repeat([60, 190], n // 2)[:, None, None] + rng.integers(-30, 30, (n, 8, 8))).astype(np.uint8)


def table(n=40):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 3)).round(2)


def labels(n):
    return np.repeat(["a", "b"], n // 2)


def fit(kind, **options):
    if kind is ImageGAN:
        return ImageGAN().set_params(**IMAGES | options).fit(images(), labels(12))
    return TableGAN().set_params(**TABLES | options).fit(table(), labels(40))


def same(a, b):
    timings = ("seconds", "images_per_second")
    histories = [[{k: v for k, v in e.items() if k not in timings} for e in gan.history_] for gan in (a, b)]
    tensors = a.tensors(), b.tensors()
    return histories[0] == histories[1] and all(torch.equal(tensors[0][name], tensors[1][name]) for name in tensors[0])


def events(log_dir):
    return [json.loads(line).get("event") for line in (log_dir / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module", params=[ImageGAN, TableGAN])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def whole(kind):
    return fit(kind)


def test_checkpoints_do_not_change_what_is_learnt(kind, whole, tmp_path):
    checked = fit(kind, run__checkpoint_dir=tmp_path, run__checkpoint_every=7)
    assert same(checked, whole)
    assert len(list(tmp_path.iterdir())) == 3


def test_interrupted_again_and_again_it_learns_the_same(kind, whole, tmp_path):
    step = Interrupt(at=(1, 2, 33, 50, 51, 69))
    options = RunOptions(checkpoint_dir=tmp_path, log_dir=tmp_path / "log", callbacks=[step])
    for steps in step.at:
        with pytest.raises(KeyboardInterrupt):
            fit(kind, run=options)
        assert step.seen == steps
    assert same(fit(kind, run=options), whole)
    assert step.seen == whole.config_.training.steps
    logged = [json.loads(line)["step"] for line in (tmp_path / "log" / "metrics.jsonl").read_text().splitlines()]
    assert logged == [entry["step"] for entry in whole.history_]


@pytest.mark.parametrize("at", [55, 61, 64])
def test_interrupted_before_or_after_it_goes_back_it_learns_the_same(tmp_path, at):
    """Weights that are not finite come in step 60; at the reading after it training returns to step 50."""
    expected = fit(TableGAN, run=RunOptions(log_dir=tmp_path / "whole", callbacks=[Interrupt(spoilt=(60,))]))
    step = Interrupt(at=(at, 105), spoilt=(60,))
    options = RunOptions(checkpoint_dir=tmp_path, log_dir=tmp_path / "log", callbacks=[step])
    for _ in step.at:
        with pytest.raises(KeyboardInterrupt):
            fit(TableGAN, run=options)
    assert same(fit(TableGAN, run=options), expected)
    assert events(tmp_path / "log") == events(tmp_path / "whole") == [None, "rollback", None, None]


def test_a_finished_run_is_taken_as_it_is(kind, whole, tmp_path):
    first = fit(kind, run__checkpoint_dir=tmp_path)
    again = fit(kind, run__checkpoint_dir=tmp_path, run__callbacks=[NoTraining()], random_state=None)
    assert same(first, whole)
    assert same(again, whole)
    sampled = [np.asarray(gan.sample(["a", "b"], random_state=1)) for gan in (again, whole)]
    np.testing.assert_array_equal(*sampled)


def test_damaged_checkpoints_cost_steps_but_nothing_else(kind, whole, tmp_path):
    fit(kind, run__checkpoint_dir=tmp_path, run__checkpoint_every=20)
    newest = sorted(tmp_path.iterdir())
    newest[-1].write_bytes(newest[-1].read_bytes()[:1000])
    content = bytearray(newest[-2].read_bytes())
    content[-1] ^= 1
    newest[-2].write_bytes(content)
    with pytest.warns(UserWarning, match="is damaged .* it is skipped") as told:
        assert same(fit(kind, run__checkpoint_dir=tmp_path), whole)
    assert len(told) == 2


def test_checkpoints_that_cannot_be_written_do_not_end_the_training(kind, whole, tmp_path, monkeypatch):
    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ganaug.engine.callbacks.checkpoints.write_atomically", full)
    with pytest.warns(UserWarning, match="No space left on device"):
        assert same(fit(kind, run__checkpoint_dir=tmp_path), whole)
    assert list(tmp_path.iterdir()) == []


def test_changed_options_and_changed_data_are_refused_before_training(kind, tmp_path):
    fit(kind, run__checkpoint_dir=tmp_path, steps=2)
    options = RunOptions(checkpoint_dir=tmp_path, callbacks=[NoTraining()])
    with pytest.raises(ValueError, match=r"training\.steps 2, which is 3 now"):
        fit(kind, run=options, steps=3)
    with pytest.raises(ValueError, match="random_state 0, which is 7 now"):
        fit(kind, run=options, steps=2, random_state=7)
    with pytest.raises(ValueError, match=r"objective\.gamma"):
        fit(kind, run=options, steps=2, gamma=0.123)
    with pytest.raises(ValueError, match="holds a run already"):
        fit(kind, run=options, steps=2, run__resume=False)
    gan = kind(**{**(IMAGES if kind is ImageGAN else TABLES), "steps": 2, "run": options.set_params(resume=True)})
    X, y = (images(), labels(12)) if kind is ImageGAN else (table(), labels(40))
    X[0] = X[1]
    with pytest.raises(ValueError, match=r"holds a run with data\.sha256 .*, which is .* now; pass what it was"):
        gan.fit(X, y)
    with pytest.raises(ValueError, match=r"data\.sha256"):
        gan.fit(X, np.where(y == "a", "c", y))


def test_a_run_without_a_seed_is_resumed(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit(TableGAN, run__checkpoint_dir=tmp_path, run__callbacks=[Interrupt(at=(30,))], random_state=None)
    gan = fit(TableGAN, run__checkpoint_dir=tmp_path, random_state=None)
    assert gan.history_[-1]["step"] == 130
    with pytest.raises(ValueError, match="random_state None, which is 3 now"):
        fit(TableGAN, run__checkpoint_dir=tmp_path, random_state=3)


def test_a_seed_of_numpy_is_the_same_seed(kind, tmp_path):
    first = fit(kind, run__checkpoint_dir=tmp_path, steps=2)
    assert same(fit(kind, run__checkpoint_dir=tmp_path, steps=2, random_state=np.int64(0)), first)


class Processor:
    """Stands in for one that multiplies bfloat16 numbers, or not."""

    def __init__(self, monkeypatch):
        self._patch = monkeypatch

    def becomes(self, *, bf16):
        for module in ("engine.devices", "generators.images.base"):
            self._patch.setattr(f"ganaug.{module}.computes_bf16", lambda device: bf16)


@pytest.mark.parametrize("begun_in", ["bf16", "fp32"])
def test_on_another_processor_a_run_goes_on_in_the_precision_that_it_was_begun_in(begun_in, tmp_path, monkeypatch):
    processor = Processor(monkeypatch)
    processor.becomes(bf16=begun_in == "bf16")
    expected = fit(ImageGAN)
    with pytest.raises(KeyboardInterrupt):
        fit(ImageGAN, run__checkpoint_dir=tmp_path, run__callbacks=[Interrupt(at=(30,))])
    processor.becomes(bf16=begun_in != "bf16")
    slow = pytest.warns(UserWarning, match="was begun in bfloat16, which this processor is slow in; it continues so")
    with slow if begun_in == "bf16" else nullcontext():
        gan = fit(ImageGAN, run__checkpoint_dir=tmp_path)
    assert same(gan, expected)
    assert gan.config_.training.precision == begun_in
    other = "fp32" if begun_in == "bf16" else "bf16"
    with pytest.raises(ValueError, match=rf"training\.precision '{begun_in}', which is '{other}' now"):
        fit(ImageGAN, run__checkpoint_dir=tmp_path, run__precision=other)


def test_on_another_device_a_run_goes_on_with_the_preset_that_it_was_begun_with(tmp_path, monkeypatch):
    """What "auto" becomes is told by the device; here both presets are small enough for a test."""
    small = replace(PRESETS["tiny"], widths=(24, 12), batch_size=8, images=336)
    monkeypatch.setitem(PRESETS, "small", small)
    monkeypatch.setitem(PRESETS, "tiny", replace(PRESETS["tiny"], images=672))
    left_open = {"steps": "auto", "batch_size": "auto"}
    expected = fit(ImageGAN, preset="small", **left_open)
    with monkeypatch.context() as patch:
        patch.setattr("ganaug.generators.images.presets._auto_preset", lambda *_: "small")
        with pytest.raises(KeyboardInterrupt):
            fit(ImageGAN, run__checkpoint_dir=tmp_path, run__callbacks=[Interrupt(at=(5,))], **left_open)
    told = "was begun with the preset 'small', which is made for a GPU; it continues so; to train 'tiny', begin anew"
    with pytest.warns(UserWarning, match=told) as caught:
        gan = fit(ImageGAN, run__checkpoint_dir=tmp_path, **left_open)
    assert caught[0].filename == __file__
    assert same(gan, expected)
    assert gan.config_ == expected.config_
    assert (gan.config_.training.steps, gan.config_.training.batch_size) == (12, 8)
    with pytest.raises(ValueError, match="holds a run with preset 'small', which is 'tiny' now"):
        fit(ImageGAN, run__checkpoint_dir=tmp_path, preset="tiny", **left_open)


@pytest.mark.parametrize(
    ("parameter", "value"), [("checkpoint_dir", 3), ("checkpoint_every", 0), ("checkpoint_every", "x"), ("resume", 2)]
)
def test_bad_parameters_are_refused(kind, parameter, value):
    with pytest.raises((ValueError, TypeError), match=parameter):
        fit(kind, **{f"run__{parameter}": value})


def test_without_a_folder_signals_are_left_alone():
    class Handlers(Callback):
        name, seen = "handlers", []

        def on_step(self, state):
            self.seen.append(signal.getsignal(signal.SIGTERM))

    fit(TableGAN, steps=2, run__callbacks=[Handlers()])
    assert Handlers.seen == [signal.getsignal(signal.SIGTERM)] * 2


CHILD = """
import signal, sys
sys.path.insert(0, sys.argv[1])
from test_resuming import Interrupt, TableGAN, fit
stopping = Interrupt(at=(23,), number=signal.SIGTERM)
fit(TableGAN, run__checkpoint_dir=sys.argv[2], run__callbacks=[stopping])
"""


def test_sigterm_ends_the_process_as_usual_after_a_checkpoint(tmp_path):
    done = subprocess.run([sys.executable, "-c", CHILD, os.path.dirname(__file__), tmp_path], check=False)
    assert done.returncode == -signal.SIGTERM
    (checkpoint,) = tmp_path.iterdir()
    assert "-step23-" in checkpoint.name
    assert same(fit(TableGAN, run__checkpoint_dir=tmp_path), fit(TableGAN))
