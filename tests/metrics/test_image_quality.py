import json
import random
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from ganaug import ImageGAN, labelled_images
from ganaug.data import LabelledImages
from ganaug.metrics import ClassifierConfig, image_report

QUICK = ClassifierConfig(steps=80, batch_size=32)
OPTIONS = {"classifier": QUICK, "device": "cpu"}


@cache
def digits(part):
    """Two hundred images of 0 to 4, others in each of the three parts."""
    data = labelled_images("digits")
    data = data.subset(np.flatnonzero(data.labels < 5))
    return data.subset(range(200 * part, 200 * part + 200))


REAL, HOLDOUT, OTHER = map(digits, range(3))


def joined(*parts):
    return LabelledImages(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("images", "labels")))


def relabelled(data, change):
    return LabelledImages(data.images, np.array([change.get(label, label) for label in data.labels.tolist()]))


@cache
def faithful():
    return image_report(REAL, OTHER, holdout=HOLDOUT, **OPTIONS)


def test_other_real_images_score_like_the_training_images_and_a_hardly_trained_gan_does_not():
    gan = ImageGAN(steps=3, random_state=0, device="cpu", verbose=False).fit(REAL)
    drawn = gan.sample(OTHER.labels, random_state=0)
    poor, good = image_report(REAL, drawn, OTHER.labels, holdout=HOLDOUT, **OPTIONS), faithful()
    for figure in ("FID (data)", "KID (data)", "intra-class FID (data)"):
        assert good.overall[figure] < 3 * good.real.overall[figure] + 0.1
        assert poor.overall[figure] > 5 * good.overall[figure]
    for figure in ("precision (data)", "coverage (data)", "density (data)", "consistency", "CAS", "IS (data)"):
        assert good.overall[figure] > 1.5 * poor.overall[figure]
    assert good.overall["CAS"] > 0.85
    compared = poor.compare(good)
    assert compared.loc["CAS", "difference"] == poor.overall["CAS"] - good.overall["CAS"] < 0


def test_swapped_classes_stand_out_while_the_overall_distance_is_blind():
    swapped = image_report(REAL, relabelled(OTHER, {1: 2, 2: 1}), holdout=HOLDOUT, **OPTIONS)
    table, good = swapped.table(), faithful().table()
    assert set(table["consistency"].nsmallest(2).index) == {1, 2}
    assert set(table["FID (data)"].nlargest(2).index) == {1, 2}
    assert set(table["CAS"].nsmallest(2).index) == {1, 2}
    assert (table["FID (data)"] > 4 * good["FID (data)"]).loc[[1, 2]].all()
    assert table.loc[[1, 2], "consistency"].max() < 0.3 < 0.8 < table.loc[[0, 3, 4], "consistency"].min()
    assert swapped.overall["FID (data)"] < 3 * faithful().overall["FID (data)"]


def test_classes_are_compared_in_equal_numbers():
    few = OTHER.subset(np.flatnonzero((OTHER.labels != 3) | (np.cumsum(OTHER.labels == 3) <= 7)))
    report = image_report(REAL, few, **OPTIONS)
    assert report.table().loc[3, "n"] == 7
    assert report.basis["samples"] == report.table()["n"].sum()
    assert report.real is None


def test_the_extractor_is_part_of_the_names_and_reports_of_different_ones_do_not_compare():
    pixels = nn.AdaptiveAvgPool2d(4)
    report = image_report(REAL, OTHER, holdout=HOLDOUT, extractor=pixels, **OPTIONS)
    assert "FID (AdaptiveAvgPool2d)" in report.overall
    assert "FID (data)" not in report.overall
    assert report.overall["IS (data)"] == faithful().overall["IS (data)"]
    with pytest.raises(ValueError, match="got extractor 'AdaptiveAvgPool2d' and 'data'; make both reports alike"):
        report.compare(faithful())
    without = image_report(REAL, OTHER, extractor=nn.AdaptiveAvgPool2d(2), **OPTIONS)
    with pytest.raises(ValueError, match="got compared with 'training' and 'held-out'"):
        without.compare(report)
    alike = replace(report, basis=report.basis | {"weights": without.basis["weights"]})
    with pytest.raises(ValueError, match="got weights"):
        report.compare(alike)
    with pytest.raises(ValueError, match="got no holdout; pass holdout="):
        without.table(of="real")


def test_a_report_is_seeded_and_leaves_the_global_states_alone():
    def states():
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()

    def made(global_seed, seed=0):
        torch.manual_seed(global_seed)
        np.random.seed(global_seed)
        before = states()
        found = image_report(REAL, OTHER.subset(range(190)), random_state=seed, **OPTIONS)
        assert states() == before
        return found.to_dict()

    first = made(1)
    assert first == made(2)
    assert first["synthetic"] != made(1, seed=3)["synthetic"]


def test_everything_is_json_and_readable():
    report = faithful()
    read = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert read["synthetic"]["per_class"][2]["class"] == 2
    assert read["real"]["overall"]["CAS"] == report.real.overall["CAS"]
    assert report.table(of="real").shape == report.table().shape
    text = str(report)
    assert text.startswith("19")
    assert "synthetic images compared with as many held-out ones" in text
    assert "FID (data)" in text


def test_labels_of_any_kind_and_arrays_are_taken():
    names = np.array(["zero", "one", "two", "three", "four"])
    pair = torch.from_numpy(REAL.images), names[REAL.labels]
    report = image_report(pair, torch.from_numpy(OTHER.images), names[OTHER.labels].tolist(), **OPTIONS)
    assert report.table().index.tolist() == sorted(names)


def test_images_without_a_label_are_left_out():
    hidden = relabelled(digits(3), dict.fromkeys(range(5), -1))
    real, holdout = joined(REAL, hidden.subset(range(100))), joined(HOLDOUT, hidden.subset(range(100, 200)))
    report = image_report(real, OTHER, holdout=holdout, **OPTIONS)
    assert report.overall == faithful().overall


class Untouched:
    def __getattr__(self, name):
        pytest.fail("a classifier is trained")


def untrained(*args, **options):
    return image_report(*args, classifier=Untouched(), **options)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: untrained(REAL, OTHER.subset(range(20))), ValueError, "synthetic samples, and k=5 needs"),
        (lambda: untrained(REAL, relabelled(OTHER, {1: 2})), ValueError, "class 1 occurs among the real"),
        (lambda: untrained(REAL, OTHER, holdout=relabelled(HOLDOUT, {1: 2})), ValueError, "the held-out ones"),
        (lambda: untrained(REAL, torch.zeros(4, 3, 8, 8), [0] * 4), ValueError, r"\(1, 8, 8\), got \(3, 8, 8\)"),
        (lambda: untrained(REAL, torch.zeros(4, 1, 8, 8)), ValueError, "labels are needed beside images"),
        (lambda: untrained(REAL, OTHER, k=0), ValueError, "k must be a whole number of at least 1, got 0"),
        (lambda: untrained(REAL, OTHER, k=2.5), ValueError, "k must be a whole number of at least 1, got 2.5"),
        (lambda: untrained(REAL, OTHER, holdout=REAL), ValueError, "^200 of 200 holdout images are also in the"),
        (lambda: untrained(REAL, OTHER, holdout=joined(HOLDOUT, REAL.subset([3]))), ValueError, "^1 of 201 holdout"),
        (lambda: untrained(REAL, HOLDOUT, holdout=HOLDOUT), ValueError, "^200 of 200 synthetic images are also in"),
        (lambda: untrained(REAL, relabelled(OTHER, {1: -1})), ValueError, "^synthetic holds .* images labelled -1"),
        (lambda: untrained(REAL, OTHER, extractor="resnet"), ValueError, "extractor must be .* got 'resnet'"),
        (lambda: untrained(REAL, OTHER, extractor=3), TypeError, "a name or a torch module, got a int"),
        (lambda: untrained(REAL, OTHER, device="tpu"), ValueError, "device must be"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_before_anything_is_trained(call, error, said):
    with pytest.raises(error, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)
