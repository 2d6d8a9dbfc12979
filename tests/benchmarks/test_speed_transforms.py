"""Both ways to transform images, at toy size."""

import sys

import pytest
import torch


@pytest.fixture(scope="module")
def transforms(script):
    return script("transforms")


@pytest.mark.parametrize("name", ["affine", "crop", "flip", "crop+flip", "trivialaugment", "randaugment"])
def test_both_ways_of_a_transform_do_the_same_on_average(transforms, name):
    torch.manual_seed(0)
    images = torch.rand(1, 1, 8, 8).repeat(1500, 1, 1, 1)
    ways = transforms.of_torchvision(name, (1, 8, 8)), transforms.find_transform(name)
    first, second = (transforms.transformed(images, way) for way in ways)
    torch.testing.assert_close(first.mean(0), second.mean(0), atol=0.06, rtol=0)
    torch.testing.assert_close(first.std(0), second.std(0), atol=0.06, rtol=0)


def test_the_table_has_each_case_and_a_ratio(transforms, monkeypatch, tmp_path):
    monkeypatch.setattr(transforms, "SHAPES", {"8x8": (1, 8, 8)})
    monkeypatch.setattr(sys, "argv", ["transforms.py", "--rounds", "1", "-o", str(tmp_path / "table.md")])
    transforms.main()
    rows = [line for line in (tmp_path / "table.md").read_text().splitlines() if line.startswith("| 8x8")]
    assert len(rows) == 12
    assert all(float(row.split("|")[3]) > 0 for row in rows)
