import numpy as np
import pytest

from ganaug.data.labels import shared_classes
from ganaug.metrics.matching import matched_samples

SIDES = {"real": np.array(["a"] * 5 + ["b"] * 20), "synthetic": np.array(["b", "a"] * 9)}


def match(seed=0, at_least=1):
    randomness = np.random.default_rng(seed)
    return matched_samples(SIDES, np.array(["a", "b"]), at_least=at_least, reason="k=5", randomness=randomness)


def test_each_side_has_as_many_samples_of_each_class_and_none_twice():
    for labels, side in zip(SIDES.values(), match(), strict=True):
        assert [len(set(chosen.tolist())) for chosen in side] == [5, 9]
        assert [set(labels[chosen]) for chosen in side] == [{"a"}, {"b"}]


def test_the_choice_is_seeded():
    first, again, other = (np.concatenate(match(seed)[0]).tolist() for seed in (0, 0, 1))
    assert first == again != other


def test_a_small_class_is_named_with_its_side():
    with pytest.raises(ValueError, match=r"class 'a' has 5 real samples, and k=5 needs at least 6"):
        match(at_least=6)


def test_a_missing_class_is_named_with_its_side():
    one = np.array(["a"])
    with pytest.raises(ValueError, match="class 'b' occurs among the real samples but not among the synthetic ones"):
        shared_classes({"real": SIDES["real"], "synthetic": one})
    with pytest.raises(ValueError, match="class 'b' occurs among the synthetic samples but not among the real ones"):
        shared_classes({"real": one, "synthetic": SIDES["real"]})
