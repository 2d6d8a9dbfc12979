"""What rules of the gate by cells decide, and what they are told."""

import numpy as np
import pytest

from ganaug.classifiers.image_classifier import ClassifierConfig
from ganaug.curation import AdditiveTransfer


@pytest.fixture(scope="module")
def module(script):
    return script("cell_gate")


def case(module, gains, spread=0.0):
    """Rounds of three cells whose mean gains are as given."""
    scores = [np.array([[0.5, 0.5 + gain + place * spread] for place in (-1, 0, 1)]) for gain in gains]
    return module.Case(scores, np.full(len(gains), 0.3), np.full(len(gains), 0.001), unseen=10.0, every=5.0)


@pytest.mark.parametrize(
    ("gains", "fills"),
    [
        ([0.1] * 8, [True] * 7),
        ([-0.1] * 8, [True] + [False] * 6),
        ([0.0, 0.1] * 4, [True, False, True, True, True, True, True]),
        ([-0.1, 0.13] * 4, [True, False, False, False, False, False, True]),
    ],
)
def test_rules_ask_for_more_certainty_where_rounds_share_images(module, gains, fills):
    assert [rule(case(module, gains, 0.01)) for rule in module.RULES.values()] == fills


def test_a_rule_that_fills_nothing_has_no_effect(module):
    pays, does_not = case(module, [0.1] * 8), case(module, [-0.1] * 8)
    lines = module.table("fsdd:2", [pays, does_not])
    rows = {line.split(" | ")[0].strip("| "): line.split(" | ")[1:] for line in lines[4:]}
    assert rows["always"][:2] == ["2", "+10.00, +10.00"]
    assert rows["eight rounds, overlap"] == ["1", "+5.00, +0.00", "+2.50, +0.00 |"]


def test_what_a_case_knows_is_of_the_rounds_of_the_gate(module):
    data = module.with_random_groups(0)
    found = module.case_of(data, 0, 0, 8, AdditiveTransfer, ClassifierConfig(steps=2))
    assert [scores.shape[1] for scores in found.scores] == [2] * len(found.scores)
    assert 4 <= len(found.scores) <= 8
    assert len(found.shares) == len(found.steps) == len(found.scores)
    assert (found.shares > 0).all()
    assert (found.shares < 0.6).all()
    assert -100 <= found.unseen <= 100
