import pytest

from ganaug.curation import images_to_add

COUNTS = {"cat": 100, "dog": 4}


@pytest.mark.parametrize(
    ("per_class", "added"),
    [
        ("balance", {"cat": 0, "dog": 96}),
        (7, {"cat": 7, "dog": 7}),
        (0.1, {"cat": 10, "dog": 0}),
        (1.0, {"cat": 100, "dog": 4}),
        ({"dog": 3}, {"dog": 3}),
    ],
)
def test_numbers_shares_balance_and_single_classes(per_class, added):
    assert images_to_add(per_class, COUNTS) == added


@pytest.mark.parametrize(
    ("per_class", "said"),
    [
        (-1, "must not be negative, got -1"),
        (float("nan"), "must be a finite share, got nan"),
        ("all", "must be a number, a share, 'balance' or a dict, got 'all'"),
        ({"cat": 0.5}, "must hold whole numbers"),
        (None, "must be a number, a share, 'balance' or a dict, got None"),
        ({"cow": 1}, "asks for class 'cow', there are cat, dog"),
    ],
)
def test_numbers_that_mean_nothing(per_class, said):
    with pytest.raises(ValueError, match=said):
        images_to_add(per_class, COUNTS)
