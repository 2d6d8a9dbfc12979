"""TrivialAugment and RandAugment of batches against torchvision's of one image."""

import math

import pytest
import torch
from torchvision.transforms import v2

from ganaug.bench.methods import augmentation_policies
from ganaug.bench.methods.augmentation_policies import OPERATIONS, RandAugment, TrivialAugment

BILINEAR = v2.InterpolationMode.BILINEAR
of_one = v2.functional


def affine(image, shear=(0.0, 0.0), translate=(0, 0), center=None):
    shear = [math.degrees(math.atan(part)) for part in shear]
    return of_one.affine(image, 0.0, list(translate), 1.0, shear, interpolation=BILINEAR, center=center)


BY_TORCHVISION = {
    "Identity": lambda image, _: image,
    "ShearX": lambda image, m: affine(image, shear=(m, 0.0), center=[0, 0]),
    "ShearY": lambda image, m: affine(image, shear=(0.0, m), center=[0, 0]),
    "TranslateX": lambda image, m: affine(image, translate=(int(m), 0)),
    "TranslateY": lambda image, m: affine(image, translate=(0, int(m))),
    "Rotate": lambda image, m: of_one.rotate(image, m, interpolation=BILINEAR),
    "Brightness": lambda image, m: of_one.adjust_brightness(image, 1 + m),
    "Color": lambda image, m: of_one.adjust_saturation(image, 1 + m),
    "Contrast": lambda image, m: of_one.adjust_contrast(image, 1 + m),
    "Sharpness": lambda image, m: of_one.adjust_sharpness(image, 1 + m),
    "Posterize": lambda image, m: of_one.posterize(image, int(m)),
    "Solarize": of_one.solarize,
    "AutoContrast": lambda image, _: of_one.autocontrast(image),
    "Equalize": lambda image, _: of_one.equalize(image),
}
SCALES = {"TranslateX": 6.0, "TranslateY": 6.0, "Rotate": 135.0}


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 20, 13), (1, 2, 2)])
@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_operations_are_those_of_torchvision(name, shape):
    torch.manual_seed(0)
    images, magnitudes = torch.rand(12, *shape), (torch.rand(12) * 2 - 1) * SCALES.get(name, 0.99)
    if name == "Posterize":
        magnitudes = torch.randint(2, 9, (12,)).float()
    elif name == "Solarize":
        magnitudes = magnitudes.abs()
    for image, magnitude, found in zip(images, magnitudes, OPERATIONS[name](images, magnitudes), strict=True):
        torch.testing.assert_close(found, BY_TORCHVISION[name](image, float(magnitude)), atol=5e-5, rtol=0)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(TrivialAugment(), v2.TrivialAugmentWide(interpolation=BILINEAR)), (RandAugment(), v2.RandAugment())],
)
def test_operations_and_magnitudes_are_drawn_as_by_torchvision(monkeypatch, ours, theirs):
    drawn, expected = [], []

    def recording(name):
        return lambda images, magnitudes: drawn.extend((name, float(m)) for m in magnitudes) or images

    monkeypatch.setattr(augmentation_policies, "OPERATIONS", {name: recording(name) for name in OPERATIONS})
    monkeypatch.setattr(
        theirs, "_apply_image_or_video_transform", lambda image, *given, **_: expected.append(given) or image
    )
    torch.manual_seed(0)
    ours(torch.zeros(30_000, 1, 20, 13))
    for _ in range(3000):
        theirs(torch.zeros(1, 20, 13))
    for name in OPERATIONS:
        of_ours, of_theirs = ([m for n, m in found if n == name] for found in (drawn, expected))
        assert len(of_ours) / len(drawn) == pytest.approx(1 / 14, abs=0.01)
        steps = {round(abs(m), 3) for m in of_ours}
        assert {round(abs(m), 3) for m in of_theirs} <= steps
        assert (min(of_ours) < 0) == (min(of_theirs) < 0)
        assert max(steps) == pytest.approx(max(map(abs, of_theirs)), rel=0.1)
