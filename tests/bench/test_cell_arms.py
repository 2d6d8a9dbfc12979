"""Arms that fill, balance or weigh cells of class and group, and what such arms are refused for."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from ganaug.bench import ImageArm, available_suites, load_suite, run_suite
from ganaug.bench.cases.checking import check_suite
from ganaug.bench.execution.workers import make_case
from ganaug.bench.inputs.datasets import load_images
from ganaug.bench.methods.adapted import adapted_proba
from ganaug.bench.methods.arms import find_transform
from ganaug.bench.methods.cell_gates import filled_cells
from ganaug.bench.methods.cells import Grouped, cell_batches
from ganaug.bench.methods.histograms import HistogramMatching
from ganaug.bench.records.store import Store
from ganaug.bench.suite.plugins import Plugin
from ganaug.classifiers.image_classifier import ClassifierConfig
from ganaug.curation.gate import GateDecision
from ganaug.curation.withheld_cells import CellGateDecision

# Pixels say class, group and whether an image is real; cell (1, 1) is empty.
CELLS = [(0, 0)] * 8 + [(1, 0)] * 4 + [(0, 1)] * 4


def coded(cells, real):
    labels, groups = np.array(cells).T
    levels = (labels + 2 * groups + 4 * real).astype(np.uint8)
    return Grouped(np.tile(levels[:, None, None, None], (1, 1, 8, 8)), labels, groups)


def drawn(arm, synthetic=None):
    draw = cell_batches(arm, coded(CELLS, 1), synthetic, torch.Generator().manual_seed(0), 2)
    images, labels = draw(4000)
    code = (images[:, 0, 0, 0] * 255).round().long()
    return code, labels


@pytest.mark.parametrize(
    ("arm", "shares"),
    [
        (ImageArm("x", balanced="cells"), {4: 1 / 3, 5: 1 / 3, 6: 1 / 3}),
        (ImageArm("x", 1.0, balanced="cells", cells="empty"), {4: 0.25, 5: 0.25, 6: 0.25, 3: 0.25}),
        (ImageArm("x", 1.0, cells="balance"), {4: 1 / 4, 5: 1 / 8, 1: 1 / 8, 6: 1 / 8, 2: 1 / 8, 3: 1 / 4}),
        (ImageArm("x", 0.5, cells="empty"), {4: 0.4, 5: 0.2, 6: 0.2, 3: 0.2}),
        (ImageArm("x", 0.5, cells="empty", balanced=True), {4: 1 / 3, 5: 1 / 4, 6: 1 / 6, 3: 1 / 4}),
    ],
)
def test_cells_are_shown_as_often_as_the_arm_says(arm, shares):
    fill = {"empty": [(1, 1)], "balance": [(1, 0), (0, 1), (1, 1)], None: []}[arm.cells]
    code, labels = drawn(arm, coded(np.repeat(fill, 50, axis=0), 0) if fill else None)
    assert (labels == code % 2).all()
    found = {int(value): float((code == value).float().mean()) for value in code.unique()}
    assert found == pytest.approx(shares, abs=0.03)


def test_weights_of_cells_make_each_count_alike_in_the_loss():
    code, targets = drawn(ImageArm("x", class_weight="cells"))
    assert (targets.argmax(1) == code % 2).all()
    assert targets.sum(1).mean() == pytest.approx(1, abs=0.03)
    in_loss = [float(targets[code == value].sum()) for value in (4, 5, 6)]
    assert in_loss == pytest.approx([4000 / 3] * 3, rel=0.1)


def test_histogram_matching_learns_the_style_from_classes_that_both_groups_have():
    data = load_images(Plugin("digits", "ganaug.bench.inputs.datasets.grouped_digits"))
    seen = data.subset(np.flatnonzero((data.labels < 5) | (data.groups != "inverted")))
    made = HistogramMatching().fit(seen).sample([7] * 30, ["inverted"] * 30, random_state=0)
    real = data.images[(data.labels == 7) & (data.groups == "inverted")]
    assert abs(float(made.float().mean()) - real.mean()) < 12
    assert made.shape == (30, 1, 8, 8)


def test_adapted_statistics_are_those_of_each_group():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).eval()
    rng = np.random.default_rng(0)
    images = rng.integers(0, 100, (40, 1, 8, 8)).astype(np.uint8)
    images[20:] = images[:20] * 2 + 10  # the same, by a scanner of another gain and offset
    groups, before = np.repeat([3, 1], 20), {k: v.clone() for k, v in network.state_dict().items()}
    first, second = np.split(adapted_proba(network, images, groups), 2)
    np.testing.assert_allclose(first, second, atol=1e-3)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_adapted_statistics_do_not_depend_on_the_order_of_many_images():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(4), nn.Linear(4, 2)).eval()
    images = np.repeat(np.array([10, 250], np.uint8), [1001, 1001])[:, None, None, None].repeat(4, 1)
    first, last = adapted_proba(network, images, np.zeros(2002, int))[[0, -1]]
    mixed = images[np.arange(2002) % 2 * 1001 + np.arange(2002) // 2]
    np.testing.assert_allclose(adapted_proba(network, mixed, np.zeros(2002, int))[:2], [first, last], atol=1e-3)
    whole = network[1].train()(torch.from_numpy(images.reshape(-1, 4) / 255).float())
    np.testing.assert_allclose([first, last], network[2](whole)[[0, -1]].softmax(1).detach(), atol=1e-3)


def test_statistics_of_images_that_are_enlarged_come_from_smaller_batches():
    network = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(4), nn.Linear(4, 2)).eval()
    images = np.random.default_rng(0).integers(0, 256, (600, 4, 1, 1)).astype(np.uint8)
    plain, groups, shown = adapted_proba(network, images, np.zeros(600, int)), np.arange(600) % 2, []
    handle = nn.modules.module.register_module_forward_pre_hook(lambda module, given: shown.append(len(given[0])))
    try:
        adapted_proba(network, images, groups)
        at_once, shown[:] = max(shown), []
        network.side = 160  # that a network makes images larger is all that is known of it
        enlarged = adapted_proba(network, images, np.zeros(600, int))
    finally:
        handle.remove()
    assert at_once == 300
    assert max(shown) < 50
    np.testing.assert_allclose(enlarged, plain, atol=0.05)


def test_masks_hide_one_band_of_rows_and_one_of_columns():
    torch.manual_seed(0)
    masked = torch.stack([find_transform("specaugment")(torch.rand(1, 20, 20) + 0.1) for _ in range(40)])
    hidden = masked == masked.amin((1, 2, 3), keepdim=True)
    rows, columns = hidden.all(3).sum((1, 2)), hidden.all(2).sum((1, 2))
    assert {*rows.tolist(), *columns.tolist()} == {0, 1, 2, 3, 4}


def small(**changes):
    suite = load_suite("cells-smoke")
    keys = {"splits": 2, "training": ClassifierConfig(steps=2, batch_size=8), "synthetic_per_class": 6, "device": "cpu"}
    return dataclasses.replace(suite, images=dataclasses.replace(suite.images, **{**keys, **changes}))


def test_the_small_suite_of_cells_runs(tmp_path, quick_judge):
    assert "cells-smoke" in available_suites()
    summary = run_suite(small(), tmp_path, jobs=1, verbose=False)
    assert summary["failed"] == []
    case = summary["experiments"][0]["cases"][0]
    assert {arm["name"]: arm["generator"] for arm in case["arms"]}["additive and histograms"] == (
        "additive-transfer and histogram-matching"
    )
    assert (case["withheld_cells"], case["cells"]) == (10, 40)
    assert summary["verdicts"][0].startswith("additive")


def test_the_gate_of_an_arm_withholds_cells_of_its_training_images_once_for_all_starts(tmp_path, quick_judge):
    filled = {"synthetic": 1.0, "balanced": "cells", "cells": "empty", "against": ("plain",)}
    sources = ("additive-transfer", "histogram-matching")
    arms = (
        ImageArm("plain", balanced="cells"),
        ImageArm("gated", gate=True, generator=sources, transform=("none", "flip"), **filled),
    )
    suite = small(arms=arms, baselines=("plain",), repeats=2)
    summary = run_suite(suite, tmp_path, jobs=1, verbose=False)
    assert summary["failed"] == []
    case = make_case(suite, 0, Store(tmp_path))
    records = [(task, case.store.read(task.keys[0])) for task in case.tasks() if task.arm == "gated"]
    assert len(records) == 4
    for task, record in records:
        trained = case.splits.training[task.split]
        there = set(zip(case.data.labels[trained].tolist(), case.data.groups[trained].tolist(), strict=True))
        gate = record["gate"]
        withheld = {(row["class"], row["group"]) for row in gate["withheld"]}
        assert len(withheld) > 6
        assert withheld <= there
        empty = {(row["class"], row["group"]) for row in gate["per_cell"] + gate["left_out"]}
        assert len(empty) == 10
        assert not empty & there
        assert record["note"].endswith(f"{len(gate['per_cell'])} cells filled")
    assert records[0][1]["gate"] == records[1][1]["gate"] != records[2][1]["gate"]


class Brightest:
    """Keeps candidates of a class that are brighter than a level, and in one group none at all."""

    name, needs_real = "brightest", False

    def __init__(self, level=0, never=None):
        self.level, self.never = level, never

    def fit(self, gan, real, randomness):
        self.groups = gan.groups_.tolist()
        return self

    def accepts(self, images, position, group):
        bright = images.reshape(len(images), -1).mean(1) >= self.level
        return bright & (self.groups[group] != self.never)

    def describe(self):
        return {"name": self.name, "level": self.level, "never": self.never}


def test_images_of_cells_pass_filters_that_may_have_arguments(tmp_path, quick_judge):
    filled = {"synthetic": 1.0, "balanced": "cells", "cells": "empty", "generator": "additive-transfer"}
    path = f"{__name__}.Brightest"
    arms = (
        ImageArm("plain", balanced="cells"),
        ImageArm("all", **filled),
        ImageArm("bright", keep={"class": path, "level": 50}, **filled),
        ImageArm("but one group", keep=({"class": path, "never": "inverted"},), **filled),
    )
    suite = small(arms=arms, baselines=("plain",), splits=4)
    assert run_suite(suite, tmp_path, jobs=1, verbose=False)["failed"] == []
    page = (tmp_path / "report.md").read_text()
    wanted = "for 'bright' Brightest (level = 50); for 'but one group' Brightest (never = inverted)."
    assert f"\nFilters refuse some of them: {wanted}\n" in page
    case = make_case(suite, 0, Store(tmp_path))
    for split in range(4):
        every, bright, others = (case._fill(split, case.arms[n]) for n in (1, 2, 3))
        of_every, of_bright, of_others = (
            set(zip(part.labels.tolist(), case.group_names[part.groups].tolist(), strict=True))
            for part in (every, bright, others)
        )
        assert len(of_every) == 10
        assert bright.images.reshape(len(bright.images), -1).mean(1).min() >= 50
        assert of_bright == of_every
        assert of_others == {cell for cell in of_every if cell[1] != "inverted"}


def test_what_a_gate_fills_is_found_by_class_and_group():
    cells = [("cat", "new"), ("dog", "old")]
    decision = CellGateDecision(1.0, dict.fromkeys(cells, 9), {}, GateDecision(1, 1, 1, 0, ""), (), (), ())
    found = filled_cells(decision, np.array(["cat", "cow", "dog"]), np.array(["new", "old"]))
    assert found.tolist() == [[True, False], [False, False], [False, True]]


def test_an_arm_adapts_where_the_network_can(tmp_path):
    arms = (ImageArm("plain"), ImageArm("adapted", adapt=True, against=("plain",)))
    network = Plugin("normed", f"{__name__}.normed")
    changes = {"arms": arms, "baselines": ("plain",), "classifiers": (network,)}
    summary = run_suite(small(**changes), tmp_path / "a", jobs=1, verbose=False)
    assert summary["failed"] == []
    changes["classifiers"] = (Plugin("small-cnn", "small-cnn"),)
    with pytest.raises(ValueError, match="arm 'adapted' adapts batch normalisation, which network 'small-cnn' lacks"):
        run_suite(small(**changes), tmp_path / "b", jobs=1, verbose=False)


def normed(image_shape, n_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Linear(8, n_classes))


class Groupless:
    sample_kind = "images"

    def fit(self, X, y=None):
        return self

    def sample(self, labels, *, random_state=None):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        (ImageArm("x", cells="empty"), "arm 'x' fills cells but has no synthetic, how far; set it to 1"),
        (
            ImageArm("x", 1.0, cells="empty", balanced="cells", gate=True, keep=("no copies",)),
            "has a gate by cells, which does not try keep; leave one of them out",
        ),
        (ImageArm("x", 0.5, balanced="cells"), "its synthetic images must be of cells too; set cells to"),
        (
            ImageArm("x", 0.5, balanced="cells", gate=True),
            "has a gate, which knows one generator, and cells only where",
        ),
        (
            ImageArm("x", 0.5, cells="empty", gate=True),
            'has a gate by cells, which .*; set cells to "empty", balanced to',
        ),
        (
            ImageArm("x", 1.0, cells="empty", balanced="cells", gate=True, mix="mixup"),
            "has a gate by cells, which does not try mix; leave one of them out",
        ),
        (ImageArm("x", class_weight="cells", mix="mixup"), "must either mix images or weigh them"),
        (ImageArm("x", balanced="groups"), "balanced of arm 'x' must be true or false, or \"cells\", got 'groups'"),
        (ImageArm("x", 1.0, cells="all"), "cells of arm 'x' must be one of 'empty' or 'balance', got 'all'"),
        (ImageArm("x", 1.0, generator=("ImageGAN", "ImageGAN")), "must be the name of a generator, or different ones"),
        (ImageArm("x", 1.0, cells="empty", generator="Groupless"), "the generator 'Groupless' learns no groups; name"),
    ],
)
def test_arms_that_cannot_be_are_refused(arm, message):
    generators = (Plugin("Groupless", f"{__name__}.Groupless"),)
    with pytest.raises(ValueError, match=message):
        check_suite(small(arms=(ImageArm("y"), arm), baselines=("y",), generators=generators))


def test_arms_by_cells_need_groups(tmp_path):
    with pytest.raises(ValueError, match="digits: split = 'cells' needs groups"):
        run_suite(small(datasets=(Plugin("digits", "digits"),)), tmp_path, jobs=1, verbose=False)
    keys = {"split": "samples", "n_per_cell": None, "metrics": ("accuracy",), "datasets": (Plugin("digits", "digits"),)}
    with pytest.raises(ValueError, match="digits: arm 'balanced' needs groups; name them by the key groups"):
        run_suite(small(**keys), tmp_path, jobs=1, verbose=False)
