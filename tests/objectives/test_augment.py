import pytest
import torch

from ganaug.objectives.adversarial.augment import OPERATIONS, ImageAugmentation


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def augment(images, operations, p, random):
    augmentation = ImageAugmentation(operations, images.shape[1:], random)
    return augmentation.apply(images, augmentation.draw(len(images), p))


def images(channels=3, height=8, width=12, n=40):
    return torch.rand(n, channels, height, width, generator=generator(9)) * 2 - 1


@pytest.mark.parametrize("name", sorted(OPERATIONS))
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_operations_keep_shape_and_change_something(name, channels):
    x = images(channels)
    changed = augment(x, [name], 1.0, generator())
    assert changed.shape == x.shape
    assert changed.isfinite().all()
    assert not torch.equal(changed, x)


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_operations_treat_each_image_on_its_own(name):
    """The gradient of one image's output must not reach another image."""
    x = images(n=4).requires_grad_()
    augment(x, [name], 0.5, generator())[1].sum().backward()
    assert x.grad[[0, 2, 3]].abs().max() == 0


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_operations_are_differentiable_twice(name):
    x = images(n=3).double().requires_grad_()

    def f(v):
        return augment(v, [name], 1.0, generator()).pow(2).sum()

    (gradient,) = torch.autograd.grad(f(x), x, create_graph=True)
    (second,) = torch.autograd.grad(gradient.sum(), x)
    assert second.abs().max() > 0


def test_probability_is_the_share_of_images_changed():
    x = images(n=2000, height=8, width=8)
    changed = (augment(x, ["color"], 0.3, generator()) != x).flatten(1).any(1).float().mean()
    assert changed.item() == pytest.approx(0.3, abs=0.04)


def test_zero_probability_changes_nothing():
    x = images()
    assert augment(x, sorted(OPERATIONS), 0.0, generator()) is x


def test_translation_moves_at_most_an_eighth():
    x = torch.zeros(200, 1, 16, 16)
    x[:, 0, 8, 8] = 1.0
    moved = augment(x, ["translation"], 1.0, generator())
    rows, columns = moved.amax((1, 3)).argmax(1), moved.amax((1, 2)).argmax(1)
    assert rows.min() == columns.min() == 6
    assert rows.max() == columns.max() == 10


def test_cutout_removes_a_rectangle_of_at_most_half_the_sides():
    gone = augment(torch.ones(200, 1, 16, 16), ["cutout"], 1.0, generator()) == 0
    assert gone.any(3).sum(2).max() == 8
    assert gone.any(2).sum(2).max() == 8


def test_flip_is_its_own_inverse_and_hits_half():
    x = images(n=1000, height=8, width=8)
    once = augment(x, ["hflip"], 1.0, generator(1))
    assert torch.equal(augment(once, ["hflip"], 1.0, generator(1)), x)
    assert (once != x).flatten(1).any(1).float().mean().item() == pytest.approx(0.5, abs=0.06)
