"""Transforms of batches against torchvision's of one image."""

import pytest
import torch
from torchvision.transforms import v2

from ganaug.bench.methods.arms import TRANSFORMS, find_transform
from ganaug.bench.methods.batch_transforms import Crop, CropFlip, Flip, RandomAffine, SpecAugment, affine
from ganaug.classifiers.batches import transformed

SHAPES = [(1, 8, 8), (3, 20, 13)]


@pytest.mark.parametrize("shape", SHAPES)
def test_images_are_turned_moved_and_enlarged_as_by_torchvision(shape):
    torch.manual_seed(0)
    images, angles, scales = torch.rand(12, *shape), torch.rand(12) * 90 - 45, 0.7 + 0.6 * torch.rand(12)
    moves = torch.randint(-4, 5, (12, 2)).float()
    for k, found in enumerate(affine(images, angles, moves, scales)):
        expected = v2.functional.affine(
            images[k],
            angle=float(angles[k]),
            translate=moves[k].tolist(),
            scale=float(scales[k]),
            shear=[0.0],
            interpolation=v2.InterpolationMode.BILINEAR,
            fill=0,
        )
        torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)


def test_angles_moves_and_scales_are_drawn_from_their_ranges(monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "ganaug.bench.methods.batch_transforms.affine", lambda images, *given: drawn.append(given) or images
    )
    torch.manual_seed(0)
    RandomAffine(15, (0.1, 0.25), (0.85, 1.15))(torch.zeros(4000, 1, 8, 20))
    ((angles, moves, scales),) = drawn
    assert angles.min() == pytest.approx(-15, abs=0.1)
    assert angles.max() == pytest.approx(15, abs=0.1)
    assert moves[:, 0].unique().tolist() == [-2, -1, 0, 1, 2]  # a tenth of the width
    assert moves[:, 1].unique().tolist() == [-2, -1, 0, 1, 2]  # a quarter of the height
    assert scales.min() == pytest.approx(0.85, abs=0.01)
    assert scales.max() == pytest.approx(1.15, abs=0.01)
    assert abs(torch.corrcoef(torch.stack([angles, *moves.T, scales]))[0, 1:]).max() < 0.05


@pytest.mark.parametrize("shape", SHAPES)
def test_a_crop_is_a_part_of_the_padded_image_and_all_parts_occur(shape):
    torch.manual_seed(0)
    image, (down, right) = torch.rand(*shape), (max(1, shape[1] // 8), max(1, shape[2] // 8))
    padded = v2.functional.pad(image, [right, down])
    parts = {
        padded[:, y : y + shape[1], x : x + shape[2]].numpy().tobytes()
        for y in range(2 * down + 1)
        for x in range(2 * right + 1)
    }
    assert {crop.numpy().tobytes() for crop in Crop()(image.repeat(500, 1, 1, 1))} == parts


def test_a_flip_mirrors_every_other_image():
    torch.manual_seed(0)
    images = torch.rand(400, 1, 3, 3)
    flipped = Flip()(images)
    mirrored = (flipped == images.flip(3)).all((1, 2, 3))
    assert ((flipped == images).all((1, 2, 3)) ^ mirrored).all()
    assert 160 < int(mirrored.sum()) < 240


@pytest.mark.parametrize("make", [Crop, CropFlip, Flip, SpecAugment, lambda: RandomAffine(15, (0.1, 0.1), (0.8, 1.2))])
def test_each_image_has_random_numbers_of_its_own_and_seeds_repeat_them(make):
    torch.manual_seed(0)
    image = torch.rand(1, 1, 16, 16)
    batch = transformed(image.repeat(30, 1, 1, 1), make())
    assert len(batch.unique(dim=0)) > 1
    torch.manual_seed(0)
    torch.rand(1, 1, 16, 16)
    assert torch.equal(transformed(image.repeat(30, 1, 1, 1), make()), batch)
    assert make()(image[0]).shape == (1, 16, 16)


@pytest.mark.parametrize("name", sorted(TRANSFORMS))
def test_every_transform_takes_a_batch(name):
    torch.manual_seed(0)
    images = torch.rand(20, 3, 8, 8)
    changed = transformed(images, find_transform(name))
    assert changed.shape == images.shape
    assert (changed != images).any() == (name != "none")
