"""Training on the marginals: pairs of class and group that no real sample shows are trained, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from ganaug.data.json_values import number, short, whole

__all__ = ["Marginals"]

MOST = 2**24  # in descriptions out of files


@dataclass(frozen=True)
class Marginals:
    """Which shares of each batch are judged by the class alone, and by the group alone.

    The joint distribution of pairs never seen cannot be learnt from data, but its marginals can: a sample of class c
    in group g must pass for one of class c among real ones of any group, and for one of group g among real ones of any
    class. So for a share of the samples the generator is asked for the class of the real sample that it is compared
    with and a random group, and the discriminator judges both by the class alone; for another share it is the reverse.
    All pairs may be asked for.

    Attributes
    ----------
    n_classes, n_groups : int
    class_share, group_share : float
        Of the samples that are judged by their class, and by their group, alone: the expected shares of a batch,
        together at most 1. The rest is judged by both.
    as_shown : bool
        Whether random classes and groups are as frequent as those of the batch. Otherwise all are equally frequent, as
        real ones are where every cell is shown equally often.

    Examples
    --------
    >>> marginals = Marginals(n_classes=2, n_groups=3, class_share=1.0, group_share=0.0)
    >>> asked = torch.tensor([[1, 0], [0, 2]])
    >>> asked, given = marginals.draw(asked, asked, Generator().manual_seed(1))
    >>> asked.tolist(), given.tolist()
    ([[1, 1], [0, 1]], [[1, -1], [0, -1]])
    """

    n_classes: int
    n_groups: int
    class_share: float = 0.25
    group_share: float = 0.25
    as_shown: bool = False

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Marginals:
        """Inverse of ``asdict``, also after a trip through JSON; ``ValueError`` for what cannot be."""
        marginals = cls(**values)
        for name in ("n_classes", "n_groups"):
            whole(values[name], name, 1, MOST)
        number(marginals.class_share, "class_share", least=0, most=1)
        number(marginals.group_share, "group_share", least=0, most=1 - marginals.class_share)
        if not isinstance(marginals.as_shown, bool):
            raise ValueError(f"as_shown must be true or false, got {short(marginals.as_shown)}")
        return marginals

    @classmethod
    def of_share(cls, share: float, n_classes: int, n_groups: int, label_temperature: float = 0.0) -> Marginals | None:
        """Half of a share for the classes and half for the groups; None where there is no share, or are no groups.

        Unless every cell is shown equally often (``label_temperature=0``), what is asked for is as frequent as shown.

        Examples
        --------
        >>> Marginals.of_share(0.5, n_classes=10, n_groups=3)
        Marginals(n_classes=10, n_groups=3, class_share=0.25, group_share=0.25, as_shown=False)
        """
        return cls(n_classes, n_groups, share / 2, share / 2, label_temperature > 0) if n_groups and share else None

    def draw(self, asked: Tensor, known: Tensor, randomness: Generator) -> tuple[Tensor, Tensor]:
        """Draw which samples of a batch are judged by what, and what the generator is asked for.

        Parameters
        ----------
        asked : Tensor of shape (n, 2), int64
            Class and group of each pair of a real and a generated sample.
        known : Tensor of shape (n, 2), int64
            `asked`, with -1 for what the real sample does not have.
        randomness : torch.Generator

        Returns
        -------
        asked : Tensor of shape (n, 2), int64
            What the generator is asked for.
        discriminator_conditions : Tensor of shape (n, 2), int64
            What the discriminator is given for both samples of a pair.
        """
        classes, groups = asked.unbind(1)
        n = len(asked)
        place = torch.rand(n, generator=randomness)
        by_class, by_group = place < self.class_share, place >= 1 - self.group_share
        if self.as_shown:
            any_class, any_group = (of[torch.randperm(n, generator=randomness)] for of in (classes, groups))
        else:
            any_class = torch.randint(self.n_classes, (n,), generator=randomness)
            any_group = torch.randint(self.n_groups, (n,), generator=randomness)
        asked = torch.stack([torch.where(by_group, any_class, classes), torch.where(by_class, any_group, groups)], 1)
        return asked, known.masked_fill(torch.stack([by_group, by_class], 1), -1)
