import copy

import numpy as np
import pandas as pd
import pytest
import torch

from ganaug import Callback, ImageGAN, RunOptions, TableAutoregressive, TableGAN
from ganaug.data.tables.encoder import as_table
from ganaug.engine.callbacks.validation import held_out
from ganaug.engine.label_embedding import ClassBalancedSampler
from ganaug.objectives.adversarial import objective

LABELS = np.array(["a"] * 20 + ["b"] * 6 + ["c"] * 2)
INDICES = np.repeat([0, 1, 2], [20, 6, 2])
ROWS = np.random.default_rng(0).normal(size=(28, 3)) + np.repeat([0, 3, -3], [20, 6, 2])[:, None]
OPTIONS = {"steps": 400, "batch_size": 8, "width": 16, "random_state": 0, "verbose": False}
HELD_OUT = {"run": RunOptions(validation_fraction=0.3)}


def test_a_share_of_each_class_is_held_out_and_two_of_each_are_left():
    indices = np.array([0] * 20 + [1] * 6 + [2] * 2 + [3] * 3 + [-1] * 9)
    kept = held_out(indices, 0.3)
    assert np.bincount(indices[kept], minlength=4).tolist() == [6, 2, 0, 1]
    assert np.bincount(indices[held_out(indices, 0.99)], minlength=4).tolist() == [18, 4, 0, 1]
    assert len(held_out(indices, 0.0)) == 0
    sampler = ClassBalancedSampler(indices, without=kept)
    drawn = torch.cat([sampler.draw(64, torch.Generator().manual_seed(n))[1] for n in range(50)])
    assert set(drawn.tolist()) == set(range(40)) - set(kept.tolist())


def test_held_out_rows_are_never_trained_on(monkeypatch):
    seen, step = [], objective.adversarial_step
    monkeypatch.setattr(
        objective, "adversarial_step", lambda networks, real, *o: (seen.append(real), step(networks, real, *o))[1]
    )
    gan = TableGAN(**OPTIONS, **HELD_OUT).fit(ROWS, LABELS)
    encoded = torch.from_numpy(gan.encoder_.transform(as_table(ROWS)[0]))
    nearest = torch.cdist(encoded, torch.cat(seen)).min(1).values
    assert np.flatnonzero(nearest > 1e-3).tolist() == held_out(INDICES, 0.3).tolist()


def test_what_networks_are_shown_before_they_are_trained_has_none_of_them():
    labels, rng = np.arange(100) % 2, np.random.default_rng(0)
    names, numbers = rng.choice(["u", "v"], 100), rng.normal(size=100)
    others = names.copy()
    others[held_out(labels, 0.3)] = "u"
    shares = []
    for column in (names, others):
        table = pd.DataFrame({"name": column, "number": numbers})
        untrained = {"steps": 1, "learning_rate": 1e-12, "random_state": 0, "verbose": False}
        model = TableAutoregressive(**untrained, **HELD_OUT).fit(table, labels)
        shares.append((model.sample([0] * 400, random_state=0)["name"] == "u").mean())
    assert shares[0] == shares[1]


def test_one_row_held_out_in_all_is_enough():
    labels = [0, 0, 0, 1, 1]
    assert len(held_out(np.array(labels), 0.2)) == 1
    gan = TableGAN(**{**OPTIONS, "steps": 100}, run=RunOptions(validation_fraction=0.2)).fit(ROWS[:5], labels)
    assert [reading["step"] for reading in gan.validation_] == [50, 100]
    assert all(np.isfinite(reading["score"]) for reading in gan.validation_)


class Forgetful(Callback):
    """From step 220 on the generator forgets what it has learnt; the averages at all readings."""

    name = "forgetful"

    def __init__(self, interrupted_at=None):
        self.interrupted_at, self.kept = interrupted_at, {}

    def on_step(self, state):
        if state.step == self.interrupted_at:
            raise KeyboardInterrupt
        if state.step > 220:
            with torch.no_grad():
                for weight in state.objective.ema["generator"].parameters():
                    weight.mul_(1.1)

    def on_reading(self, state):
        self.kept[state.step] = copy.deepcopy(state.objective.ema["generator"].state_dict())


def test_the_best_average_is_taken_and_not_the_last(tmp_path):
    forgetful = Forgetful()
    run = RunOptions(validation_fraction=0.3, callbacks=[forgetful])
    gan = TableGAN(**OPTIONS, run=run).fit(ROWS, LABELS)
    assert [reading["step"] for reading in gan.validation_] == list(range(50, 401, 50))
    assert [list(reading["classes"]) for reading in gan.validation_] == [["a", "b"]] * 8
    best = min(gan.validation_, key=lambda reading: reading["score"])
    assert best["step"] in (100, 150, 200)
    assert best["score"] == np.mean(list(best["classes"].values()))
    assert gan.validation_[-1]["score"] > 10 * abs(best["score"])
    for name, tensor in gan.generator_.state_dict().items():
        assert torch.equal(tensor, forgetful.kept[best["step"]][name])
    loaded = TableGAN.load(gan.save(tmp_path / "model"))
    assert loaded.validation_ == gan.validation_


def test_the_best_average_outlives_an_interruption(tmp_path):
    options = {"validation_fraction": 0.3, "callbacks": [Forgetful()]}
    whole = TableGAN(**OPTIONS, run=RunOptions(**options)).fit(ROWS, LABELS)
    options |= {"checkpoint_dir": tmp_path, "checkpoint_every": 100}
    with pytest.raises(KeyboardInterrupt):
        TableGAN(**OPTIONS, run=RunOptions(**{**options, "callbacks": [Forgetful(320)]})).fit(ROWS, LABELS)
    run = RunOptions(**options)
    resumed = TableGAN(**OPTIONS, run=run).fit(ROWS, LABELS)
    assert resumed.validation_ == whole.validation_
    assert all(torch.equal(t, whole.tensors()[name]) for name, t in resumed.tensors().items())
    with pytest.raises(ValueError, match="validation_fraction"):
        TableGAN(**OPTIONS, run=run).set_params(run__validation_fraction=0.2).fit(ROWS, LABELS)


def test_images_are_held_out_too():
    images = np.random.default_rng(0).integers(0, 255, (24, 8, 8)).astype(np.uint8)
    labels = np.array([0, 1, -1] * 8)
    gan = ImageGAN(steps=60, batch_size=4, random_state=0, verbose=False, device="cpu")
    gan.set_params(run__validation_fraction=0.25).fit(images, labels)
    assert [reading["step"] for reading in gan.validation_] == [50, 60]
    assert all(np.isfinite(list(reading["classes"].values())).all() for reading in gan.validation_)


def test_what_is_held_out_of_groups_is_of_each_cell_and_not_counted_among_its_training_samples():
    labels, groups = np.repeat([0, 1], [36, 12]), np.repeat(["a", "b", "a", "b", "c"], [24, 12, 8, 3, 1])
    of = np.unique(groups, return_inverse=True)[1]
    kept = held_out(labels, 0.25, of)
    counts = np.zeros((2, 3), dtype=int)
    np.add.at(counts, (labels[kept], of[kept]), 1)
    assert counts.tolist() == [[6, 3, 0], [2, 1, 0]]
    assert len(held_out(labels[:4], 0.5, np.arange(4))) == 0  # each is the only one of its cell
    rows = np.random.default_rng(0).normal(size=(48, 2))
    gan = TableGAN(steps=2, verbose=False, random_state=0, run=RunOptions(validation_fraction=0.25))
    assert gan.fit(rows, labels, groups).cell_counts_.tolist() == [[18, 9, 0], [6, 2, 1]]


def test_without_a_share_nothing_is_held_out():
    assert TableGAN(**{**OPTIONS, "steps": 60}).fit(ROWS, LABELS).validation_ == []


@pytest.mark.parametrize("share", [1.0, -0.1, "much"])
def test_bad_shares_are_refused(share):
    with pytest.raises(ValueError, match="validation_fraction"):
        TableGAN(run=RunOptions(validation_fraction=share)).fit(ROWS, LABELS)
