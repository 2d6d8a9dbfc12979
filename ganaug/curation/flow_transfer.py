"""Samples of a class in a group that lacks it: real ones of other groups, as a flow draws them in that group."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from ganaug.curation.transfer import Transfer
from ganaug.data import LabelledImages, labelled_images
from ganaug.engine.nested_params import NestedDefaults
from ganaug.generators import ImageFlow
from ganaug.generators.pseudo_labels import labelled_part

__all__ = ["FlowTransfer"]


class FlowTransfer(NestedDefaults, Transfer):
    """Moves real images of a class from one group into another by a flow that is trained on all of them.

    An image of a random other group is moved by :meth:`ganaug.ImageFlow.translate`.

    Parameters
    ----------
    flow : ImageFlow or None, default=None
        What is trained, as a copy; None stands for ``ImageFlow()``.
    strength : float in (0, 1], default=1.0
    steps : int, default=8
        As for :meth:`ganaug.ImageFlow.translate`.
    random_state : int, RandomState, Generator or None, default=None
        Of the training, in the place of that of `flow` unless it is None.

    Attributes
    ----------
    flow_ : ImageFlow
        Fitted.
    classes_, groups_, cell_counts_, sample_spec_
        As for :class:`ganaug.curation.AdditiveTransfer`.

    Examples
    --------
    >>> from ganaug import ImageFlow, labelled_images
    >>> from ganaug.curation import FlowTransfer
    >>> digits, pens = labelled_images("digits").subset(range(200)), ["thin", "thick"] * 100
    >>> flow = ImageFlow(steps=5, width=16, device="cpu", verbose=False)
    >>> transfer = FlowTransfer(flow, random_state=0).fit(digits, groups=pens)
    >>> transfer.sample([3, 8], ["thin", "thick"], random_state=0).shape
    torch.Size([2, 1, 8, 8])
    """

    flow_: ImageFlow

    def __init__(
        self, flow: ImageFlow | None = None, *, strength: float = 1.0, steps: int = 8, random_state: Any = None
    ) -> None:
        self.flow = flow
        self.strength = strength
        self.steps = steps
        self.random_state = random_state

    def _defaults(self) -> dict[str, Any]:
        return {"flow": ImageFlow()}

    def fit(self, X: Any, y: Any = None, groups: Any = None) -> FlowTransfer:
        """Keep the images that have a label, and train the flow on all.

        Parameters
        ----------
        X, y, groups
            As for :meth:`ganaug.ImageFlow.fit`; groups are needed.

        Returns
        -------
        FlowTransfer
            Itself, fitted.

        Raises
        ------
        ValueError, TypeError
            As :meth:`ganaug.ImageFlow.fit` and :meth:`ganaug.curation.AdditiveTransfer.fit`.
        """
        data: LabelledImages = labelled_images(X, y, groups=groups, dtype="auto")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the flow says the same of the groups
            self._keep(labelled_part(data))
        flow = ImageFlow() if self.flow is None else clone(self.flow)
        if self.random_state is not None:
            flow.set_params(random_state=self.random_state)
        self.flow_ = flow.fit(data)
        self.training_data_ = self.flow_.training_data_  # with images without a label
        return self

    def _moved(self, donors: NDArray[np.int64], sources: NDArray[np.int64], target: int) -> NDArray[Any]:
        labels, asked = self.classes_[self._cells[donors, 0]], self.groups_[np.full(len(donors), target)]
        moved = self.flow_.translate(
            self._samples[donors], labels, self.groups_[sources], asked, strength=self.strength, steps=self.steps
        )
        return moved.numpy()
