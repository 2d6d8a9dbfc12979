import pytest
import torch

from ganaug.objectives.adversarial.losses import gradient_penalty, relativistic_losses


def test_losses_depend_on_differences_only():
    real, fake = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 3.0])
    shifted = relativistic_losses(real + 100, fake + 100)
    assert torch.allclose(torch.stack(relativistic_losses(real, fake)), torch.stack(shifted), atol=1e-5)


def test_each_player_wants_the_opposite_order():
    low, high = torch.tensor([-3.0]), torch.tensor([3.0])
    d_loss, g_loss = relativistic_losses(high, low)
    assert d_loss < 0.01 < 5 < g_loss
    d_loss, g_loss = relativistic_losses(low, high)
    assert g_loss < 0.01 < 5 < d_loss


def test_penalty_is_the_mean_squared_gradient_norm():
    # D(x) = |x|^2 has gradient 2x, so the penalty is the mean of 4 |x|^2.
    x = torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    penalty, _ = gradient_penalty(x.square().sum((1, 2)), x)
    assert penalty.item() == pytest.approx(4 * x.detach().square().sum((1, 2)).mean().item(), rel=1e-6)


def test_penalty_reaches_the_weights():
    weight = torch.tensor([3.0], requires_grad=True)
    x = torch.ones(2, 1, requires_grad=True)
    gradient_penalty((weight * x).sum(1), x)[0].backward()
    assert weight.grad.item() == pytest.approx(6.0)  # d(w^2)/dw
