import json

import numpy as np
import pandas as pd
import pytest

from ganaug import LabelledImages
from ganaug.metrics import ClassifierConfig, image_report, table_report
from ganaug.metrics.group_consistency import ERRORS, FOLLOWED, Grouped, _group_row, group_consistency

GROUPS = np.array(["left", "middle", "right"])
QUICK = ClassifierConfig(steps=40, batch_size=32)


def cells(n, holes=()):
    """Class and group of samples, as many of each cell."""
    classes, groups = (part.ravel().repeat(n) for part in np.meshgrid([0, 1], GROUPS))
    kept = [(c, g) not in holes for c, g in zip(classes.tolist(), groups.tolist(), strict=True)]
    return classes[kept], groups[kept]


def images(classes, groups, seed, asked=None):
    """Class as the height of a bar, group as the place of another; `asked` for groups that are not drawn."""
    pixels = np.random.default_rng(seed).integers(60, size=(len(classes), 1, 8, 8), dtype=np.uint8)
    for image, c, g in zip(pixels, classes, np.searchsorted(GROUPS, groups), strict=True):
        image[0, 4 * c] = 200
        image[0, :, 3 * g] = 250
    return LabelledImages(pixels, np.asarray(classes), groups=groups if asked is None else asked)


def rows(classes, groups, seed):
    noise = np.random.default_rng(seed).normal(size=(len(classes), 3))
    which = np.searchsorted(GROUPS, groups)
    return pd.DataFrame(noise + 6.0 * np.stack([classes, which == 1, which == 2], 1), columns=list("abc"))


def of_images(real, drawn, asked):
    synthetic = images(*drawn, 1, asked)
    options = {"classifier": QUICK, "device": "cpu", "random_state": 0}
    return image_report(images(*real, 0), synthetic, **options)


def of_rows(real, drawn, asked, **options):
    tables = rows(*real, 0), real[0], rows(*drawn, 1), drawn[0]
    return table_report(*tables, **{"groups": (real[1], asked), "folds": 2, "random_state": 0, **options})


def test_figures_of_groups_and_cells_stand_beside_those_without_groups():
    real, drawn = cells(12, holes={(1, "right")}), cells(12)
    found = of_rows(real, drawn, drawn[1])
    assert found.remarks == ()
    assert (found.table("groups")["follows"] > 0.8).all()
    unseen = found.table("cells").loc[(1, "right")]
    assert (unseen["n"], unseen["n real"], unseen["n compared"]) == (12, 0, 0)
    assert unseen["class recognised"] > 0.8
    assert found.table("cells").loc[(0, "left"), "n compared"] == 12
    assert json.loads(json.dumps(found.to_dict()))["synthetic"]["groups"]
    plain = of_rows(real, drawn, None, groups=None)
    assert plain.overall == found.overall
    assert plain.to_dict().keys() == {"basis", "synthetic", "real"}
    assert plain.to_dict()["synthetic"].keys() == {"overall", "per_class", "columns"}
    with pytest.raises(ValueError, match="what='groups' is for synthetic samples with groups, got none"):
        plain.table("groups")


@pytest.mark.parametrize("report", [of_images, of_rows])
def test_a_generator_that_ignores_the_group_is_found(report):
    real, drawn = cells(12, holes={(1, "right")}), cells(12)
    ignoring = report(real, drawn, np.random.default_rng(0).permutation(drawn[1]))
    assert (ignoring.table("groups")["real"] > 0.8).all()
    assert len(ignoring.remarks) >= 2
    assert "samples asked for group left are recognised as left in" in str(ignoring)
    assert "chance is 33 %" in ignoring.remarks[0]


def test_cells_whose_class_is_not_drawn_are_named():
    real, asked = cells(12, holes={(1, "right")}), cells(12)
    wrong = np.where((asked[0] == 1) & (asked[1] == "right"), 0, asked[0])  # of the neighbouring class
    tables = rows(*real, 0), real[0], rows(wrong, asked[1], 1), asked[0]
    found = table_report(*tables, groups=(real[1], asked[1]), folds=2, random_state=0)
    (remark,) = found.remarks
    assert remark.startswith(
        "samples asked for class 1 in group right, which has no real ones, are recognised as 1 in 0 %"
    )


def test_random_groups_cannot_be_told_and_nothing_is_said_of_them():
    real, drawn = cells(12), cells(12)
    mixed = np.random.default_rng(0).permutation(real[1])
    found = of_rows(real, drawn, None, groups=(mixed, drawn[1]))
    assert found.table("groups")["follows"].isna().all()
    assert found.remarks == ()


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (lambda real, drawn: (real, drawn[:5]), "groups"),
        (lambda real, drawn: real, r"groups must be a pair, of the real and of the synthetic rows, got a ndarray"),
        (
            lambda real, drawn: (real, np.full(len(drawn), "upper")),
            "synthetic holds group 'upper', which real does not; its groups are 'left'",
        ),
        (lambda real, drawn: (np.full(len(real), "left"), drawn), "groups must be two known ones at least, got 'left'"),
    ],
)
def test_bad_groups_are_refused(groups, said):
    real, drawn = cells(12), cells(12)
    with pytest.raises(ValueError, match=said):
        of_rows(real, drawn, None, groups=groups(real[1], drawn[1]))


def test_real_images_need_groups_where_synthetic_ones_have_them():
    data = images(*cells(6), 0)
    plain = LabelledImages(data.images, data.labels)
    with pytest.raises(ValueError, match="synthetic has groups and real has none; read the real images with groups="):
        image_report(plain, data)


def test_samples_like_real_ones_are_no_wrong_classes_where_groups_hide_the_class():
    classes, groups = cells(30)
    shift = 6.0 * np.searchsorted(GROUPS, groups)  # class 1 of a group lies where class 0 of the next one does
    real, drawn = (
        np.random.default_rng(seed).normal(6.0 * classes + shift, 0.5)[:, None].repeat(2, axis=1) for seed in (0, 1)
    )
    found = table_report(real, classes, drawn, classes, groups=(groups, groups), folds=2, random_state=0)
    assert found.table("cells")["class recognised"].min() < 0.2
    assert found.remarks == ()


def test_few_real_samples_leave_open_whether_samples_follow_the_group():
    """Of real ones 60 % are told, with an error of 25 %: a third of that is what samples that follow it may have."""
    row = _group_row("x", 40, (0.0, 0.001), (0.0, 0.001), (0.6, 0.03), (0.0, 0.03))
    assert row["follows"] == 0
    assert ERRORS * row["error"] > FOLLOWED - 0.1
    sure = _group_row("x", 40, (0.0, 0.001), (0.0, 0.001), (0.6, 0.003), (0.0, 0.003))
    assert ERRORS * sure["error"] < FOLLOWED


@pytest.mark.parametrize(("n", "told"), [(1, False), (40, True)])
def test_a_difference_of_a_few_real_samples_is_no_evidence_that_groups_differ(n, told):
    # Of the real samples of group y, one in three is recognised as y, and none of the others.
    classes, groups = (part.ravel().repeat(n * 3) for part in np.meshgrid([0, 1], [0, 1]))
    real = Grouped(np.tile([0, 1, 1], len(classes) // 3), classes, groups)
    drawn = Grouped(np.zeros(80, int), *(part.ravel().repeat(20) for part in np.meshgrid([0, 1], [0, 1])))
    holdout = Grouped(real.inputs, real.classes, real.groups)

    def by_place(inputs, labels, asked, n_classes):  # the holdout is asked about first: its groups are told at times
        own = np.where(real.inputs == 0, real.groups, 0)
        return np.eye(n_classes)[np.concatenate([own, np.zeros(len(asked) - len(own), int)])]

    found = group_consistency(
        real, drawn, ["a", "b"], ["x", "y"], by_place, holdout=holdout, randomness=np.random.default_rng(0)
    )
    assert found.groups[1]["real"] - found.groups[1]["real others"] == pytest.approx(1 / 3)
    assert (found.groups[1]["follows"] is not None) == told
    assert found.ignored == (["x", "y"] if told else [])
