"""Which classifier synthetic rows choose, and what it costs."""

from functools import partial

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from ganaug import TableFlow, TableGAN


@pytest.fixture(scope="module")
def module(script):
    return script("synthetic_validation")


def test_no_choice_is_better_than_the_best_and_the_worst_is_not_chosen(module, monkeypatch):
    forest = RandomForestClassifier(5, random_state=0)
    monkeypatch.setattr(module, "CANDIDATES", [DummyClassifier(), LogisticRegression(max_iter=1000), forest])
    for cls in (TableGAN, TableFlow):
        monkeypatch.setattr(module, cls.__name__, partial(cls, steps=30))
    regret = module.of_split("wine", 60, 0)
    assert regret.shape == (len(module.CHOICES),)
    assert (regret >= 0).all()
    assert regret.max() < 40  # the dummy is right by chance alone, at 50 points


def test_regrets_are_compared_with_cross_validation(module):
    first = np.array([2.0, 1.0, 2.0, 3.0, 2.0, 2.0, 2.0, 5.0])
    lines = module.table_of(100, {"a": [first, first], "b": [first + 1], "c": [first]})
    assert lines[0] == "### 100 rows"
    rows = [line.split(" | ") for line in lines[4:12]]
    assert [row[0].strip("| ") for row in rows] == module.CHOICES
    assert rows[0][1:5] == ["2.00", "3.00", "2.00", "2.33"]
    assert rows[1][-1].startswith("-1.00 [-1.00, -1.00]")
    assert rows[2][-1].startswith("+0.00 [+0.00, +0.00], p 1.00")
