"""Which empty cells are filled is chosen by withholding others."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import RandomOverSampler
from joblib import parallel_config
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from ganaug import GANOverSampler, SafeOverSampler
from ganaug.curation import AdditiveTransfer

HOLES = {("x", "north"), ("z", "west")}
GROUPS = {"east": (0, 0), "north": (-4, 3), "south": (4, -3), "west": (8, 9)}
CLASSES = {"x": 0, "y": 4, "z": 8}


def cells(holes=HOLES, n=10, seed=0):
    """Rows around the sum of two shifts, by which a class in one group lies where another one lies in the next."""
    rng = np.random.default_rng(seed)
    X, y, groups = [], [], []
    for label, of_class in CLASSES.items():
        for group, (u, v) in GROUPS.items():
            if (label, group) not in holes:
                X.append(rng.normal((of_class + u, v), 0.5, size=(n, 2)))
                y += [label] * n
                groups += [group] * n
    return pd.DataFrame(np.concatenate(X), columns=["u", "v"]), np.array(y), np.array(groups)


class Seen(AdditiveTransfer):
    """Says what it was trained on, and may draw the wrong class."""

    def __init__(self, wrong=False):
        self.wrong = wrong

    def fit(self, X, y, groups):
        SEEN.append(set(zip(y.tolist(), groups.tolist(), strict=True)))
        return super().fit(X.to_numpy(), y, groups)

    def sample(self, labels, groups=None, *, random_state=None):
        labels = np.roll(self.classes_, 1)[np.searchsorted(self.classes_, labels)] if self.wrong else labels
        return pd.DataFrame(super().sample(labels, groups, random_state=random_state), columns=["u", "v"])


SEEN = []


class Broken(KNeighborsClassifier):
    def fit(self, X, y):
        raise ValueError("of no use")


def safe(wrong=False, **params):
    SEEN.clear()
    inner = GANOverSampler(generator=Seen(wrong), balance="cells", local_share=0.0, selection=False)
    defaults = {"estimator": KNeighborsClassifier(3), "ratios": [0.5, 1], "cv": "cells", "random_state": 0}
    return SafeOverSampler(inner, **{**defaults, **params})


def test_empty_cells_are_filled_where_that_paid_for_withheld_ones():
    X, y, groups = cells()
    s = safe()
    _, y_new = s.fit_resample(X, y, groups=groups)
    assert s.ratio_ > 0
    new = Counter(zip(y_new[s.synthetic_mask_].tolist(), s.groups_resampled_[s.synthetic_mask_].tolist(), strict=True))
    assert new == s.decision_.per_cell == dict.fromkeys(HOLES, round(10 * s.ratio_))
    assert s.decision_.decision.gain > s.decision_.decision.smallest_gain
    assert s.scores_.shape == (len(s.decision_.withheld), 3)
    everything = set(zip(y.tolist(), groups.tolist(), strict=True))
    withheld = [{(row["class"], row["group"]) for row in s.decision_.withheld if row["round"] == n} for n in range(4)]
    assert SEEN[:4] == [everything - cells for cells in withheld]
    assert SEEN[4:] == [everything]  # the last one is what rows are drawn from


def test_rounds_are_tried_side_by_side():
    X, y, groups = cells()
    alone, together = (safe(n_jobs=n_jobs) for n_jobs in (None, 2))
    alone.fit_resample(X, y, groups=groups)
    with parallel_config(backend="threading"):
        together.fit_resample(X, y, groups=groups)
    np.testing.assert_array_equal(alone.scores_, together.scores_)
    assert len(alone.scores_) == len(alone.decision_.withheld) > 0


def test_cells_that_nobody_asked_for_are_named():
    s = safe(sampling_strategy={("x", "north"): 10})
    s.fit_resample(*cells()[:2], groups=cells()[2])
    assert s.decision_.per_cell.keys() == {("x", "north")}
    assert s.decision_.left_out == {("z", "west"): "as no samples of it were asked for"}


@pytest.mark.parametrize("cv", [2, "cells"])
def test_errors_that_few_rows_do_not_explain_are_raised(cv):
    X, y, groups = cells()
    with pytest.raises(ValueError, match="of no use"):
        safe(cv=cv, estimator=Broken()).fit_resample(X, y, groups=groups)


def test_inner_folds_do_not_repeat_what_is_said_of_groups():
    X, y, groups = cells(holes={("x", group) for group in ("north", "south", "west")})
    with pytest.warns(UserWarning, match="class 'x' occurs in one group only") as said:
        safe(cv=2).fit_resample(X, y, groups=groups)
    assert len(said) == 1


def test_nothing_is_filled_where_that_harms():
    X, y, groups = cells()
    s = safe(wrong=True)
    X_new, _ = s.fit_resample(X, y, groups=groups)
    assert s.ratio_ == 0
    assert len(X_new) == len(X)
    assert s.decision_.left_out.keys() == HOLES


class Unweighted(LogisticRegression):
    """Takes no weights."""

    def fit(self, X, y):
        return super().fit(X, y)


@pytest.mark.parametrize("estimator", [LogisticRegression(), Unweighted()])
def test_rare_classes_are_not_filled_for_being_rare(estimator):
    """Groups mean nothing; with these seeds, cells of rare classes were filled each time for want of equal weights."""
    filled = []
    for seed in (0, 5, 6, 7):
        rng = np.random.default_rng(seed)
        y, groups = rng.choice(3, 400, p=[0.6, 0.2, 0.2]), rng.integers(5, size=400)
        X = 0.7 * rng.normal(size=(3, 5))[y] + rng.normal(size=(400, 5))
        there = ~((y == 1) & (groups == 0) | (y == 2) & (groups == 1))
        inner = GANOverSampler(generator=AdditiveTransfer(), balance="cells", local_share=0.0, selection=False)
        s = SafeOverSampler(inner, estimator=estimator, ratios=[1], cv="cells", random_state=seed)
        s.fit_resample(X[there], y[there], groups=groups[there])
        filled.append(s.ratio_ > 0)
    assert sum(filled) <= 1


@pytest.mark.parametrize(
    ("holes", "n", "params", "reason"),
    [
        ((), 10, {}, "every class occurs in every group"),
        (HOLES, 4, {}, "in 0 rounds cells can be withheld"),
        (HOLES, 10, {"ratios": [0]}, "there is no ratio but 0 to choose"),
        (HOLES, 10, {"sampling_strategy": {("x", "east"): 20}}, "sampling_strategy asks for no row of an empty cell"),
    ],
)
def test_where_nothing_can_be_validated_nothing_is_trained_or_added(holes, n, params, reason):
    X, y, groups = cells(holes, n)
    s = safe(**params)
    X_new, _ = s.fit_resample(X, y, groups=groups)
    assert s.decision_.reason.startswith(reason)
    assert (len(X_new), SEEN) == (len(X), [])


@pytest.mark.parametrize(
    ("sampler", "with_groups", "said"),
    [
        (None, True, "cv='cells' needs groups and a sampler with balance='cells'"),
        (GANOverSampler(), True, "cv='cells' needs groups and a sampler with balance='cells'.*got GANOverSampler"),
        (GANOverSampler(), False, "cv='cells' needs groups and a sampler with balance='cells'.*got no groups"),
        (RandomOverSampler(), True, "sampler must take groups in fit_resample, which a RandomOverSampler does not"),
    ],
)
def test_bad_input_is_refused(sampler, with_groups, said):
    X, y, groups = cells()
    with pytest.raises(ValueError, match=said):
        SafeOverSampler(sampler, cv="cells").fit_resample(X, y, groups=groups if with_groups else None)
