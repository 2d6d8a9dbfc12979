"""Checkpoints from anyone; the checksum in their name is made to fit."""

import functools
import json
import tempfile
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from hypothesis import example, given
from mutations import as_json, byte_edits, damaged, edited, edits, fuzzed, read_or_refused

from ganaug import RunOptions, TableGAN
from ganaug.data.files import sha256_of
from ganaug.engine.callbacks.checkpoints import Checkpoints
from ganaug.engine.loop import TrainingDiverged

X = np.random.default_rng(0).normal(size=(12, 2))
Y = np.array([0, 1] * 6)
PARAMS = {"width": 4, "batch_size": 4, "random_state": 0, "verbose": False, "steps": 4}


@functools.cache
def checkpoint():
    """Content of a checkpoint in the midst of a training."""
    with tempfile.TemporaryDirectory() as folder:
        TableGAN(**PARAMS, run=RunOptions(checkpoint_dir=folder, checkpoint_every=2)).fit(X, Y)
        return min(Path(folder).iterdir()).read_bytes()


@functools.cache
def parts():
    content = checkpoint()
    length = int.from_bytes(content[:8], "little")
    return json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["ganaug"]), safetensors.torch.load(content)


def header():
    return parts()[0]


def check_going_on(content):
    """Train from a folder that holds one checkpoint of this content."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        (Path(folder) / f"checkpoint-000001-step2-{sha256_of(content)[:16]}.safetensors").write_bytes(content)
        found = read_or_refused(lambda: Checkpoints(folder), named=folder)
        if found is None:
            return None
        gan = TableGAN(**PARAMS, run=RunOptions(checkpoint_dir=folder))
        fitted = read_or_refused(lambda: gan.fit(X, Y), errors=(ValueError, TypeError, TrainingDiverged))
        if fitted is not None:
            assert fitted.history_[-1]["seconds"] >= 0
            fitted.sample([0, 1])
        return fitted


def packed(text, tensors):
    return safetensors.torch.save(tensors, metadata={"ganaug": text})


def test_the_checkpoint_is_gone_on_with_as_it_is():
    assert check_going_on(checkpoint()) is not None
    assert check_going_on(packed(json.dumps(header()), parts()[1])) is not None


@fuzzed()
@given(edits(header))
@example([(("values", "step"), "drop", None)])
@example([(("values",), "drop", None)])
@example([(("values", "good_step"), "set", 4)])
@example([(("values", "step"), "set", 4)])
@example([(("values", "callbacks", "monitor", "lines"), "set", "a")])
@example([(("values", "history"), "set", [{"step": 1}])])
@example([(("values",), "nested", None)])
@example([(("run",), "set", [])])
@example([(("run", "training"), "set", 1)])
def test_description_and_values(changes):
    check_going_on(packed(as_json(edited(header(), changes)), parts()[1]))


@fuzzed(30)
@given(edits(lambda: {name: list(tensor.shape) for name, tensor in parts()[1].items()}))
@example([(("optimizers.generator.0.exp_avg",), "drop", None)])
@example([(("optimizers.generator.0.exp_avg",), "set", [2, 2])])
@example([(("optimizers.generator.0.exp_avg",), "set", [])])
@example([(("optimizers.generator.0.step",), "set", [1])])
@example([(("randomness",), "set", [8])])
@example([(("ema.generator.out.bias",), "drop", None)])
def test_tensors_that_are_gone_or_of_other_shapes(changes):
    tensors = dict(parts()[1])
    for path, kind, value in changes:
        name = path[0]
        if kind == "drop":
            tensors.pop(name, None)
        elif kind == "add":
            tensors["optimizers.generator.x"] = torch.zeros(1)
        elif name in tensors:
            fits = isinstance(value, list) and all(isinstance(n, int) and 0 <= n < 99 for n in value)
            tensors[name] = torch.full(value if fits and len(value) < 4 else [3], torch.nan)
    check_going_on(packed(json.dumps(header()), tensors))


@fuzzed(30)
@given(byte_edits())
def test_bytes(changes):
    check_going_on(damaged(checkpoint(), changes))
