"""What generators that are conditioned on class and group do beside drawing, which the contracts test."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import ganaug
from ganaug import (
    ImageGAN,
    ImageVAE,
    RunOptions,
    TableAutoregressive,
    TableCopula,
    TableFlow,
    TableGAN,
    TableVAE,
    labelled_images,
)
from ganaug.generators.images.export import METADATA

QUICK = {"batch_size": 8, "random_state": 0, "verbose": False}
GROUPS = np.resize(["a", "b", "c"], 24)
LABELS = np.repeat([0, 1], 12)
PIXELS = np.random.default_rng(0).integers(0, 256, (24, 8, 8), np.uint8)
TABLE = pd.DataFrame({"x": np.arange(24.0), "colour": np.resize(["red", "blue"], 24), "site": GROUPS})


@pytest.fixture(scope="module")
def images():
    return ImageGAN(steps=3, device="cpu", **QUICK).fit(PIXELS, LABELS, GROUPS)


@pytest.fixture(scope="module")
def rows():
    return TableGAN(steps=3, width=8, members=2, **QUICK).fit(TABLE, LABELS, "site")


def test_scores_are_of_the_class_alone_or_of_class_and_group(images, rows):
    for gan, X in ((images, PIXELS[:4, None]), (rows, TABLE[:4].drop(columns="site"))):
        scores = [gan.score_samples(X, [0] * 4, groups) for groups in (None, ["a"] * 4, ["b"] * 4)]
        assert all(score.shape == (4,) for score in scores)
        assert not np.allclose(scores[1], scores[0])
        assert not np.allclose(scores[1], scores[2])
        with pytest.raises(ValueError, match="got 4 labels and 1 groups"):
            gan.score_samples(X, [0] * 4, ["a"])


def test_without_groups_nothing_that_is_for_groups_changes_a_bit():
    table = TABLE.drop(columns="site")
    for made, X in (
        (lambda **given: ImageGAN(steps=3, device="cpu", **QUICK, **given), PIXELS),
        (lambda **given: TableGAN(steps=3, width=8, members=2, **QUICK, **given), table),
    ):
        plain, other = made().fit(X, LABELS), made(marginal_share=0).fit(X, LABELS, groups=None)
        assert (plain.groups_, plain.cell_counts_) == (other.groups_, other.cell_counts_) == (None, None)
        for name, network in plain.networks_.items():
            weights = other.networks_[name].state_dict()
            assert all(torch.equal(weight, weights[key]) for key, weight in network.state_dict().items())


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("kind", ["images", "rows"])
def test_without_the_marginals_scores_of_the_class_alone_are_means_over_its_groups_as_trained(kind, temperature):
    groups = np.where(LABELS == 0, np.resize(["a", "a", "b"], 24), "c")  # the first class is in two of three groups
    groups[-1] = "a"
    options = {**QUICK, "steps": 3, "marginal_share": 0, "label_temperature": temperature}
    if kind == "images":
        X, gan = PIXELS[:4, None], ImageGAN(device="cpu", **options).fit(PIXELS, LABELS, groups)
    else:
        X, table = TABLE[:4].drop(columns="site"), TABLE.drop(columns="site")
        gan = TableGAN(width=8, members=2, **options).fit(table, LABELS, groups)
    alone, in_a, in_b = (gan.score_samples(X, [0] * 4, each) for each in (None, ["a"] * 4, ["b"] * 4))
    share = 2 / 3 if temperature else 1 / 2
    np.testing.assert_allclose(alone, share * in_a + (1 - share) * in_b, rtol=1e-5, atol=1e-6)


def test_missing_groups_stand_for_the_unknown_group():
    groups = [None, *GROUPS[1:]]
    images = ImageGAN(steps=2, device="cpu", **QUICK).fit(PIXELS, LABELS, groups)
    rows = TableGAN(steps=2, width=8, members=2, **QUICK).fit(TABLE.drop(columns="site"), LABELS, groups)
    for gan, X in ((images, PIXELS[:4, None]), (rows, TABLE[:4].drop(columns="site"))):
        scores = [gan.score_samples(X, [0] * 4, [first, *groups[1:4]]) for first in (None, np.nan, "unknown")]
        assert np.array_equal(scores[0], scores[2])
        assert np.array_equal(scores[1], scores[2])
        assert gan.group_indices([None, "a"]).tolist() == [3, 0]


def test_what_is_missing_is_refused_where_no_group_was_unknown(images):
    with pytest.raises(ValueError, match="cannot sample group None: the generator was trained on the groups 'a', 'b'"):
        images.sample([0], [None])


def test_between_two_images_of_a_cell_there_are_others_of_it(images):
    way = images.interpolate([0, 1], ["a", "c"], steps=3, random_state=0)
    assert way.shape == (2, 3, 1, 8, 8)
    assert not torch.equal(way, images.interpolate([0, 1], ["b", "c"], steps=3, random_state=0))


def test_a_picture_shows_the_groups_in_turn(images, tmp_path):
    def shown(**options):
        images.show(tmp_path / "grid.png", per_class=6, **options)
        with Image.open(tmp_path / "grid.png") as grid:
            return np.asarray(grid)

    assert (shown() == shown(groups=["a", "b", "c"])).all()
    assert (shown() != shown(groups=["b"])).any()
    with pytest.raises(ValueError, match="at least one group to show"):
        shown(groups=[])


@pytest.mark.parametrize("name", ["gan.pt2", "gan.onnx"])
def test_an_exported_generator_takes_groups_too(images, tmp_path, name):
    latents, asked = torch.randn(5, 64), torch.tensor([[0, 0], [1, 2], [0, 1], [1, 0], [0, 2]])
    expected = images.pixel_scale_.from_network(images.generator_(latents, asked))
    if name == "gan.onnx":
        onnxruntime = pytest.importorskip("onnxruntime")
        session = onnxruntime.InferenceSession(images.export(tmp_path / name))
        inputs = {"latents": latents, "classes": asked[:, 0], "groups": asked[:, 1]}
        drawn = torch.from_numpy(session.run(["images"], {key: value.numpy() for key, value in inputs.items()})[0])
        metadata = session.get_modelmeta().custom_metadata_map
        assert json.loads(metadata["groups"]) == ["a", "b", "c"]
    else:
        extra = {METADATA: ""}
        program = torch.export.load(images.export(tmp_path / name, format="torch_export"), extra_files=extra)
        drawn = program.module()(latents, *asked.unbind(1))
        assert json.loads(extra[METADATA])["groups"] == ["a", "b", "c"]
    assert (drawn.int() - expected.int()).abs().max() <= 1


def test_images_without_a_label_teach_their_group(tmp_path):
    labels = np.where((GROUPS == "c") | (np.arange(24) % 5 == 0), -1, LABELS)
    gan = ImageGAN(steps=2, device="cpu", pseudo_label_confidence=None, **QUICK).fit(PIXELS, labels, GROUPS)
    assert gan.groups_.tolist() == ["a", "b", "c"]
    assert gan.cell_counts_.sum() == (labels >= 0).sum()
    assert gan.cell_counts_[:, 2].tolist() == [0, 0]
    for one in (gan, ganaug.load(gan.save(tmp_path / "m"), device="cpu")):
        assert len(one.sample([0, 1, 1], ["c", "c", "a"], random_state=0)) == 3


def test_counts_of_cells_are_of_what_is_trained_on_guessed_labels_and_all(tmp_path):
    n, rng = 90, np.random.default_rng(0)
    truth = np.repeat([0, 1], n // 2)
    images = (np.where(truth == 0, 60, 180)[:, None, None] + rng.integers(0, 40, (n, 8, 8))).astype(np.uint8)
    labels = np.where(np.random.default_rng(4).random(n) < 0.7, -1, truth)
    for share in (0.0, 0.2):
        run = RunOptions(validation_fraction=share)
        gan = ImageVAE(steps=2, width=8, batch_size=8, device="cpu", verbose=False, run=run).fit(
            images, labels, rng.choice(["p", "q", "r"], n)
        )
        n_known = (labels >= 0).sum() + gan.training_data_["n_pseudo_labelled"]
        assert n_known > 60
        assert gan.cell_counts_.min() > 0
        assert gan.cell_counts_.sum() == n_known - round(share * n_known)
        assert ganaug.load(gan.save(tmp_path / f"{share}")).cell_counts_.tolist() == gan.cell_counts_.tolist()


def test_rows_that_are_encoded_already_have_groups_too(rows):
    features = TABLE.drop(columns="site")
    coded = rows.encoder_.transform(features)
    again = TableGAN(steps=3, width=8, members=2, **QUICK)
    again.fit_encoded(rows.encoder_, coded, LABELS, rows.container_, GROUPS)
    positions, chosen = np.array([0, 1, 1]), np.array([2, 0, 1])
    drawn = again.sample_encoded(positions, chosen, random_state=0)
    assert (drawn == rows.sample_encoded(positions, chosen, random_state=0)).all()
    assert rows.sample_encoded(positions, random_state=0).shape == drawn.shape
    assert list(rows.sample([0, 1])) == list(features)
    assert "site" in TableGAN(steps=1, width=8, **QUICK).fit(TABLE, LABELS, TABLE["site"]).sample([0])
    with pytest.raises(ValueError, match="was trained without groups"):
        TableGAN(steps=1, width=8, **QUICK).fit(features, LABELS).sample_encoded(positions, chosen)


def test_the_best_average_is_chosen_with_groups_too():
    run = RunOptions(validation_fraction=0.25, health="adapt")
    gan = TableGAN(steps=200, width=8, run=run, **QUICK).fit(TABLE, LABELS, "site")
    assert list(gan.validation_[-1]["classes"]) == ["0", "1"]


def test_groups_that_images_carry_are_learnt_where_there_are_several():
    gan, carried = ImageGAN(device="cpu"), labelled_images(PIXELS, LABELS, groups=GROUPS)
    assert gan.resolve(carried).architecture.n_groups == 3
    for others in (carried.subset(np.flatnonzero(GROUPS == "a")), replace(carried, groups=None)):
        assert gan.resolve(others).architecture.n_groups == 0
    with pytest.raises(ValueError, match="at least two groups"):
        gan.resolve(carried, groups=["a"] * 24)


@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_the_share_of_the_marginals_is_part_of_the_training(share):
    config = ImageGAN(device="cpu", marginal_share=share).resolve(PIXELS, LABELS, GROUPS)
    assert (config.architecture.n_classes, config.architecture.n_groups) == (2, 3)
    found = config.objective.marginals
    assert share == (found.class_share + found.group_share if found else 0)
    assert ImageGAN(device="cpu", marginal_share=share).resolve(PIXELS, LABELS).objective.marginals is None


@pytest.mark.parametrize(
    "change",
    [
        {"groups": {"dtype": "<U1", "values": ["a", "b"]}},
        {"groups": {"dtype": "<U1", "values": ["b", "a", "c"]}},
        {"groups": None},
        {"cell_counts": [[4, 4, 4]]},
        {"cell_counts": [[0, 0, 0], [4, 4, 4]]},
        {"cell_counts": [[-1, 4, 4], [4, 4, 4]]},
        {"cell_counts": "none"},
    ],
)
def test_groups_that_are_not_those_of_the_networks_are_refused(rows, tmp_path, change):
    path = rows.save(tmp_path / "m") / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match="is damaged"):
        TableGAN.load(tmp_path / "m")


@pytest.mark.parametrize("family", [TableGAN, TableVAE, TableFlow, TableAutoregressive, TableCopula])
def test_what_describes_the_groups_is_in_samples_that_of_their_group(family, tmp_path):
    """Of every family, hardly trained: levels, a number, and one that a group never has; also read from a folder."""
    groups = np.resize(["a", "b", "c"], 120)
    table = pd.DataFrame({"x": np.random.default_rng(0).normal(size=120), "colour": np.resize([*"rrg"], 120)})
    table["beds"] = np.resize([100.0, 250.0, 430.0], 120)
    table["lab"] = np.where(groups == "b", np.nan, table["x"] ** 2)
    kept = (groups != "c") | (np.arange(120) % 2 == 0)
    labels = np.where(groups == "c", 0, np.arange(120) % 2)  # class 1 lacks group "c"
    options = {} if family is TableCopula else {"steps": 1, "verbose": False}
    fitted = family(random_state=0, **options).fit(table[kept], labels[kept], groups[kept])
    fitted.save(tmp_path / "model")
    for generator in (fitted, ganaug.load(tmp_path / "model")):
        asked = np.resize(["a", "b", "c"], 60)
        drawn = generator.sample(np.ones(60, int), asked, random_state=0)
        assert drawn["colour"].tolist() == np.resize([*"rrg"], 60).tolist()
        assert drawn["beds"].tolist() == np.resize([100.0, 250.0, 430.0], 60).tolist()
        assert drawn["lab"][asked == "b"].isna().all()
    config = tmp_path / "model" / "config.json"
    content = json.loads(config.read_text())
    content["group_values"]["values"].pop()
    config.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="group values"):
        ganaug.load(tmp_path / "model")
