"""What presets are chosen by, at toy size."""

import pytest

from ganaug import ImageGAN, labelled_images
from ganaug.generators.images.presets import PRESETS


@pytest.fixture(scope="module")
def presets(script):
    return script("presets")


@pytest.fixture(scope="module")
def digits():
    return labelled_images("digits").subset(range(200))


def resolved(presets, digits, change):
    with presets.variant("small", change):
        return ImageGAN(preset="small", device="cpu").resolve(digits)


def test_variants_change_a_preset_for_as_long_as_they_are_asked_for(presets, digits):
    before = PRESETS["small"]
    configs = {name: resolved(presets, digits, change) for name, change in presets.VARIANTS.items()}
    assert PRESETS["small"] == before
    assert {name: config.architecture.group_width for name, config in configs.items() if "dense" in name} == {
        "dense, .65 times as wide": 0,
        "dense, as wide": 0,
    }
    batches = {name: config.training for name, config in configs.items() if "batch" in name}
    assert {training.batch_size for training in batches.values()} == {256}
    assert [training.learning_rate for training in batches.values()] == [2e-4, 4e-4, 8e-4]


def test_costs_are_those_of_the_networks(presets, digits):
    small = {"batch_size": 2}
    whole = presets.cost(resolved(presets, digits, small))
    dense = presets.cost(resolved(presets, digits, {**presets.VARIANTS["dense, .65 times as wide"], **small}))
    assert dense.operations == pytest.approx(whole.operations, rel=0.1)
    larger = presets.cost(resolved(presets, digits, {"batch_size": 4}))
    assert larger.operations == whole.operations
    assert larger.bytes < whole.bytes  # weights are read once a step


def test_all_take_as_many_operations_and_what_was_kept_is_not_done_again(presets, tmp_path, monkeypatch):
    asked = []

    def measured(gan, train, judges, judge, seed):
        asked.append((gan.resolve(train), len(train), len(judges)))
        return [1.0, 50.0 + len(asked), 60.0]

    monkeypatch.setattr(presets, "judging", lambda *_: None)
    monkeypatch.setattr(presets, "measured", measured)
    monkeypatch.setitem(presets.PRESETS, "tiny", presets.replace(PRESETS["tiny"], widths=(8, 8)))
    kept, case = tmp_path / "rows.jsonl", presets.Case("digits", 5, 640)
    names = [presets.FIRST, "dense, .65 times as wide"]
    found = presets.rows("tiny", case, names, 2, kept)
    assert [(n, others) for _, n, others in asked] == [(50, 1747)] * 4
    spent = [
        config.training.steps * config.training.batch_size * presets.cost(config).operations for config, *_ in asked[:2]
    ]
    assert asked[0][0].training.steps == 20
    assert spent[1] == pytest.approx(spent[0], rel=0.1)
    assert [row["class consistency, %"] for row in found] == ["52.0", "53.0 (+1.0 ± 0.0)"]
    monkeypatch.setattr(presets, "measured", None)
    assert presets.rows("tiny", case, names, 2, kept) == found
