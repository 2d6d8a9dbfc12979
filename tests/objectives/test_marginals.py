import json
from dataclasses import asdict

import pytest
import torch
from torch import nn

from ganaug.engine.distributed import DistributedContext
from ganaug.engine.objective import Batch
from ganaug.objectives.adversarial.augment import ImageAugmentation
from ganaug.objectives.adversarial.config import AdversarialConfig
from ganaug.objectives.adversarial.marginals import Marginals
from ganaug.objectives.adversarial.objective import AdversarialObjective

N = 6000
CELLS = torch.tensor([[0, 0], [1, 1], [2, 1]]).repeat(N // 3, 1)


def drawn(class_share=0.25, group_share=0.25, known=CELLS):
    marginals = Marginals(3, 4, class_share, group_share)
    return marginals.draw(CELLS, known, torch.Generator().manual_seed(0))


def test_shares_are_compared_by_class_alone_by_group_alone_and_by_both():
    asked, given = drawn(0.2, 0.3)
    by_class, by_group = given[:, 1] == -1, given[:, 0] == -1
    assert by_class.float().mean().item() == pytest.approx(0.2, abs=0.02)
    assert by_group.float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert not (by_class & by_group).any()
    both = ~(by_class | by_group)
    assert torch.equal(asked[both], CELLS[both])
    assert torch.equal(given[both], CELLS[both])


@pytest.mark.parametrize(("share", "kept", "left_out", "n"), [((1, 0), 0, 1, 4), ((0, 1), 1, 0, 3)])
def test_what_is_left_out_is_any_and_the_rest_is_that_of_the_real_sample(share, kept, left_out, n):
    asked, given = drawn(*share)
    assert torch.equal(asked[:, kept], CELLS[:, kept])
    assert torch.equal(given[:, kept], CELLS[:, kept])
    assert (given[:, left_out] == -1).all()
    # Each value alike with each class or group, so that pairs never seen are asked for as well.
    shares = torch.stack([(asked[i::3, left_out].bincount(minlength=n) / (N / 3)) for i in range(3)])
    torch.testing.assert_close(shares, torch.full((3, n), 1 / n), rtol=0, atol=0.04)


@pytest.mark.parametrize(("share", "left_out", "n"), [((1, 0), 1, 4), ((0, 1), 0, 3)])
def test_where_samples_are_shown_as_often_as_they_occur_so_is_what_is_left_out(share, left_out, n):
    """Real samples of a class are of the groups that occur; generated ones of other groups would be told by that."""
    cells = CELLS[
        torch.arange(N) % 6 % 5
    ]  # classes 0 and 1 more often than 2, group 0 less often than 1, 2 and 3 never
    marginals = Marginals.of_share(1.0, 3, 4, label_temperature=0.5)
    assert marginals == Marginals(3, 4, 0.5, 0.5, as_shown=True)
    asked, _ = Marginals(3, 4, *share, as_shown=True).draw(cells, cells, torch.Generator().manual_seed(0))
    expected = cells[:, left_out].bincount(minlength=n) / N
    for which in range(3):
        mine = asked[cells[:, 0] == which, left_out]
        torch.testing.assert_close(mine.bincount(minlength=n) / len(mine), expected, rtol=0, atol=0.04)
    assert not Marginals.of_share(1.0, 3, 4).as_shown


def test_what_a_real_sample_lacks_stays_unknown():
    known = CELLS.clone()
    known[::3, 0], known[1::3, 1] = -1, -1
    asked, given = drawn(known=known)
    assert (given[::3, 0] == -1).all()
    assert (given[1::3, 1] == -1).all()
    assert (asked >= 0).all()


def objective(marginals, processes):
    config = AdversarialConfig(1.0, 0.1, 4, 0.5, 2, marginals)
    augment = ImageAugmentation(["color"], (1, 2, 2), torch.Generator().manual_seed(0), processes)
    return AdversarialObjective(nn.Linear(2, 1), nn.Linear(1, 1), config, augment, processes=processes)


@pytest.mark.parametrize("marginals", [None, Marginals(3, 4)])
def test_every_number_is_drawn_once_for_all_processes_in_tensors_of_one_shape(marginals):
    def step(processes, at):
        whole = torch.zeros(12, 1, 2, 2)
        batch = Batch(processes.share(whole), CELLS[:12], CELLS[:12], lambda: whole)
        return objective(marginals, processes).draw(batch, at, 0.5, torch.Generator().manual_seed(at))[1]

    alone, later = step(DistributedContext(), 1), step(DistributedContext(), 2)
    assert [t.shape for t in alone] == [t.shape for t in later]  # as recorded steps need
    first, second = (step(DistributedContext(rank, 2), 1) for rank in range(2))
    for whole, *parts in zip(alone[1:4], first[1:4], second[1:4], strict=True):
        assert torch.equal(whole, torch.cat(parts))
    assert torch.equal(alone[1], CELLS[:12]) == (marginals is None)


def test_they_survive_json_and_refuse_what_cannot_be():
    config = AdversarialConfig(1.0, 0.1, 4, 0.5, 2, Marginals(3, 4))
    values = json.loads(json.dumps(asdict(config)))
    assert AdversarialConfig.from_dict(values) == config
    assert AdversarialConfig.from_dict({**values, "marginals": None}).marginals is None
    for wrong in ({"n_groups": 0}, {"class_share": 0.8}, {"group_share": -0.1}):
        with pytest.raises(ValueError, match=r"n_groups|group_share"):
            AdversarialConfig.from_dict({**values, "marginals": values["marginals"] | wrong})
