"""Transforms that replace real images by synthetic ones of the same class, in the manner of torchvision's CutMix."""

from __future__ import annotations

import copy
from collections import UserDict
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
import torch.nn.functional
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils import _pytree as pytree
from torchvision import tv_tensors
from torchvision.transforms import v2

from ganaug.curation import SyntheticPool
from ganaug.curation.cells import balancing_shares
from ganaug.data.groups import has_group, named_groups_among
from ganaug.data.labels import listed
from ganaug.generators.contract import Generator
from ganaug.transforms.pixels import Pixels, as_fitted
from ganaug.transforms.samples import find_image, groups_finder, label_finder
from ganaug.transforms.source import KEEP, Source

__all__ = ["RandomSynthetic", "SyntheticMix"]


class _Synthetic(v2.Transform):
    """What the transform of batches and that of single images share."""

    def __init__(
        self,
        source: SyntheticPool | Generator,
        p: float,
        mean: Any,
        std: Any,
        resize: bool,
        labels_getter: str | Callable[[Any], Any],
        classes: Sequence[str] | None,
        missing: Literal["error", "keep"],
        groups_getter: str | Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__()
        if isinstance(p, str) or not 0.0 <= p <= 1.0:
            raise ValueError(f"p must be in [0, 1], got {p!r}")
        self.p = p
        # Neither is a Module: a generator's weights must not become parameters of a transform.
        self._source = Source(source, classes, missing=missing)
        self._source.check_names()
        self._pixels = Pixels(mean, std, resize=resize, dtype=self._source.dtype)
        self._find_label = label_finder(labels_getter)
        finder = groups_finder(groups_getter)
        self._find_groups = finder if self._source.groups is not None else groups_finder(None)

    @property
    def source(self) -> SyntheticPool | Generator:
        """Where the images come from."""
        return self._source.origin

    def extra_repr(self) -> str:
        """What stands between the brackets of the repr."""
        options = {"mean": self._pixels.mean, "std": self._pixels.std, "resize": self._pixels.resize or None}
        given = [f"{name}={value}" for name, value in options.items() if value is not None]
        return ", ".join([f"{self._source!r}", super().extra_repr(), *given])

    def forward(self, *inputs: Any) -> Any:
        """Replace images in a sample or batch of any structure that holds one image and its labels."""
        if not inputs:
            raise ValueError("pass images and labels, or a sample that holds both")
        sample = inputs if len(inputs) > 1 else inputs[0]
        if isinstance(sample, UserDict):  # such as a BatchFeature, which pytree does not look into
            changed = copy.copy(sample)
            changed.update(self.forward(dict(sample)))
            return changed
        label, groups = self._find_label(sample), self._find_groups(sample)
        flat, structure = pytree.tree_flatten(sample, is_leaf=None if groups is None else lambda part: part is groups)
        where = find_image(flat, label)
        image, *new = self._replace(flat[where], label, groups)
        for called, old, changed in zip(("labels", "groups"), (label, groups), new, strict=True):
            if changed is not old:
                if not any(item is old for item in flat):
                    raise ValueError(
                        f"{called}_getter must return an item of the sample itself for its {called} to be changed"
                    )
                flat = [changed if item is old else item for item in flat]
        flat[where] = image
        return pytree.tree_unflatten(flat, structure)

    def _replace(self, image: Any, label: Any, groups: Any) -> tuple[Any, Any, Any]:
        raise NotImplementedError


class SyntheticMix(_Synthetic):
    """Replace images of a batch by synthetic ones of the same class.

    Called like :class:`torchvision.transforms.v2.CutMix`, in the training loop or in a ``collate_fn``, and before
    CutMix or MixUp where these are used too. Labels stay as they are: integers of shape (batch,), or one-hot rows.

    Parameters
    ----------
    source : SyntheticPool or generator of images, such as ImageGAN
        A GAN draws on its own device, all images of a batch at once.
    p : float in [0, 1], default=0.3
        Probability with which each image is replaced.
    balance : None, "uniform" or sequence of float, default=None
        None replaces an image by one of its class. Otherwise the classes of the synthetic images are drawn, all equally
        often or with these weights (of the source's classes in their order), and the labels change with them, as do the
        groups of a batch that holds them: batches of imbalanced data become less so.
    cells : None or "balance", default=None
        "balance" draws class and group of the synthetic images such that batches show all cells, the combinations of
        both, equally often: see Notes. Labels change with them, as by `balance`, and so do the groups of a batch that
        holds them. By default they stay: a batch that holds groups gets images of the class in the group of the image
        that is replaced, and without groups they come as often as in training, or in the pool.
    mean, std : sequence of float, optional
        What images were normalised with, if they were: see Notes.
    resize : bool, default=False
        Resize synthetic images whose size differs, in place of an error.
    labels_getter : "default" or callable, default="default"
        Finds the labels in the input, as for CutMix. By default the second of two inputs, or of a mapping the key
        "labels", "label", or else the first that contains "label". For workers that are spawned it must be a function
        of a module.
    classes : sequence of str, optional
        Names that the labels 0, 1, ... stand for, such as ``ImageFolder(...).classes``. They are found by name in the
        source; without it integer labels are the source's own, or count its classes where these are strings. That
        there are images of all of them is checked at once, and not only when a batch holds such a label.
    groups_getter : "default", callable or None, default="default"
        With a source that knows groups, finds them in the input: a tensor of integers or booleans, or a list or array
        of groups. By default the third of three inputs if it is such a one, or of a mapping the key "groups", else the
        first that contains "group"; without `cells` only where all of them are groups of the source. None if the input
        holds none. A tensor of integers beside groups that are strings counts these, sorted, from 0; beside groups of
        which some were missing in training that is refused, as it would be unclear whether it counts these too.
    missing : {"error", "keep"}, default="error"
        What is done about a label that the source, such as a pool of rare classes only, holds no images of: "keep"
        leaves its images real. With `balance` such classes are never drawn, and with `cells` such cells.

    Raises
    ------
    ValueError
        When called with a label that the source does not have, soft labels, images of another size or number of
        channels, floats outside [0, 1] without `mean` and `std`, or uint8 images beside a source that draws floats. For
        `cells` with a source that knows no groups, or beside `balance` or `classes`; for `classes` that lack one that
        `balance` draws.

    See Also
    --------
    RandomSynthetic : The same for one image.
    AugmentedDataset : Adds images to a dataset in place of replacing some.

    Notes
    -----
    Images are a tensor (batch, channels, height, width) or a ``tv_tensors.Image``: uint8, floating point in [0, 1], or
    normalised with `mean` and `std`. Of a source that draws float32 the values are not rescaled: images are then
    floating point, of the scale that the generator was trained on, before `mean` and `std` if these are given. Output
    has the input's type, dtype, size and device; the input is not changed.
    With ``cells="balance"`` a share `p` of all images is replaced, whatever their cell, and the cells of the synthetic
    ones are drawn where the rest of the real ones is short. What is short follows from the real images that the source
    was trained on: batches must hold these as they are, each as often as the others. If `p` is too small for all cells
    to be shown equally often, it raises the rarest to one level; ``cell_shares`` says to which. Cells of the unknown
    group are not filled.
    Random numbers come from torch's global state: workers of a DataLoader differ, and ``DataLoader(generator=...)``
    repeats what they do; in the main process ``torch.manual_seed`` does.

    Examples
    --------
    >>> from ganaug import ImageGAN, labelled_images
    >>> gan = ImageGAN(steps=2, random_state=0, verbose=False).fit(labelled_images("digits").subset(range(100)))
    >>> mix = SyntheticMix(gan, p=0.5)
    >>> images, labels = mix(torch.zeros(4, 1, 8, 8), torch.tensor([3, 1, 4, 1]))
    >>> images.shape, labels.tolist()
    (torch.Size([4, 1, 8, 8]), [3, 1, 4, 1])
    """

    def __init__(
        self,
        source: SyntheticPool | Generator,
        p: float = 0.3,
        balance: Literal["uniform"] | Sequence[float] | None = None,
        *,
        cells: Literal["balance"] | None = None,
        mean: Any = None,
        std: Any = None,
        resize: bool = False,
        labels_getter: str | Callable[[Any], Any] = "default",
        classes: Sequence[str] | None = None,
        groups_getter: str | Callable[[Any], Any] | None = "default",
        missing: Literal["error", "keep"] = "error",
    ) -> None:
        super().__init__(source, p, mean, std, resize, labels_getter, classes, missing, groups_getter)
        self._groups_are_said = cells is not None or callable(groups_getter)
        if cells is not None and (balance is not None or classes is not None):
            other = "balance" if balance is not None else "classes"
            raise ValueError(f"cells and {other} exclude each other, got both; pass one of them")
        self.cells = cells
        self._cell_weights = None if cells is None else self._balanced(cells)
        self.balance = balance
        self._weights = _weights(balance, len(self._source.classes))
        if self._weights is not None and missing == "keep":
            known = self._source.available() & (self._source.labels() >= 0)
            self._weights = self._weights * torch.from_numpy(known)
            if not self._weights.any():
                raise ValueError(f"balance gives no weight to a class that there are images of, got {balance}")
        if self._weights is not None:
            drawn = np.flatnonzero(self._weights.numpy() > 0)
            self._source.check_available(drawn)
            nameless = self._source.classes[drawn[self._source.labels()[drawn] < 0]].tolist()
            if classes is not None and nameless:
                raise ValueError(
                    f"classes has no name of the source's class {listed(nameless)}, which balance draws; {KEEP}"
                )

    def _balanced(self, cells: str) -> Tensor:
        """Weight of each cell among the synthetic images, class by class."""
        if cells != "balance":
            raise ValueError(f"cells must be None or 'balance', got {cells!r}; pass one of these")
        source = self._source
        source.check_cells("cells", "leave it out")
        assert source.groups is not None
        assert source.training_cell_counts is not None
        fillable = np.broadcast_to(has_group(source.groups), source.training_cell_counts.shape)
        at = np.indices(fillable.shape).reshape(2, -1)
        if source.missing == "keep":
            fillable = fillable & source.holds(*at).reshape(fillable.shape)
            if not fillable.any():
                raise ValueError("the pool holds no image of a known group; build it with per_cell=")
        shares = balancing_shares(source.training_cell_counts, self.p, fillable)
        if isinstance(source.origin, SyntheticPool):
            source.origin.check_available(*at[:, shares.ravel() > 0])
        return torch.from_numpy(shares.ravel())

    @property
    def cell_shares(self) -> pd.DataFrame | None:
        """Expected share of each class (index) in each group (columns) in batches, with `cells`; None without."""
        source = self._source
        if self._cell_weights is None or source.training_cell_counts is None:
            return None
        real, added = source.training_cell_counts, self._cell_weights.numpy().reshape(source.training_cell_counts.shape)
        shares = (1 - self.p) * real / real.sum() + self.p * added
        return pd.DataFrame(shares, pd.Index(source.classes, name="class"), pd.Index(source.groups, name="group"))

    def _replace(self, images: Any, labels: Any, groups: Any) -> tuple[Any, Any, Any]:
        if isinstance(images, Image.Image):
            raise ValueError("SyntheticMix takes batches, got a PIL image; use RandomSynthetic for single images")
        if not isinstance(labels, Tensor):
            raise ValueError(f"the labels must be a tensor, got {type(labels).__name__}")
        if images.ndim != 4 or labels.ndim not in (1, 2) or len(images) != len(labels):
            raise ValueError(
                "SyntheticMix takes images (batch, channels, height, width) with labels (batch,) or (batch, classes), "
                f"got {tuple(images.shape)} with {tuple(labels.shape)}"
            )
        at = None if groups is None else self._group_positions(groups, len(images))
        self._pixels.check(images, self._source.image_shape)
        hard = _hard(labels.detach().cpu())  # all that is asked about labels waits for a GPU once
        chosen = torch.nonzero(torch.rand(len(images), dtype=torch.float32, device="cpu") < self.p)[:, 0]
        balanced = self._cell_weights is not None or self._weights is not None
        # All labels are looked at, so that a wrong one is found in the first batch that holds it.
        places = self._source.positions(hard, all_classes=balanced)
        new_labels, new_groups, of = labels, groups, None
        if self._cell_weights is not None and self._source.groups is not None and len(chosen):
            drawn = torch.multinomial(self._cell_weights, len(chosen), replacement=True)
            positions, of = np.divmod(drawn.numpy(), len(self._source.groups))
            new_labels = labels.clone()
            new_labels[chosen.to(labels.device)] = self._as_labels(torch.from_numpy(positions), labels)
            new_groups = groups if at is None else self._with_groups(groups, chosen, of)
        elif self._weights is not None and len(chosen):
            drawn = torch.multinomial(self._weights, len(chosen), replacement=True)
            positions = drawn.numpy()
            new_labels = labels.clone()
            new_labels[chosen.to(labels.device)] = self._as_labels(drawn, labels)
            if at is not None and self._source.cell_counts is not None:
                shares = torch.from_numpy(self._source.cell_counts.astype(np.float64))
                of = torch.multinomial(shares[drawn], 1)[:, 0].numpy()
                new_groups = self._with_groups(groups, chosen, of)
        elif not balanced:
            at = None if at is None else self._held(places, at)
            if self._source.missing == "keep":
                there = places if at is None else np.minimum(places, at)
                chosen = chosen[torch.from_numpy(there[chosen.numpy()] >= 0)]
            positions, of = places[chosen.numpy()], None if at is None else at[chosen.numpy()]
        if len(chosen) == 0:
            return images, new_labels, new_groups
        synthetic = self._pixels.like(self._source.draw(positions, images.device, of), images)
        mixed = images.clone()
        # numpy is faster here, but knows neither bfloat16 nor gradients.
        if mixed.device.type == "cpu" and mixed.dtype != torch.bfloat16 and not mixed.requires_grad:
            mixed.numpy()[chosen.numpy()] = synthetic.numpy()
        else:
            mixed[chosen.to(images.device)] = synthetic
        mixed = tv_tensors.wrap(mixed, like=images) if isinstance(images, tv_tensors.Image) else mixed
        return mixed, new_labels, new_groups

    def _group_positions(self, groups: Any, n: int) -> NDArray[np.int64] | None:
        """Positions of a batch's groups among the source's; None for what are none, or ``ValueError`` if said to be."""
        known = self._source.groups
        assert known is not None
        counted = isinstance(groups, Tensor) and known.dtype.kind in "UO"
        there = list(range(len(known))) if counted else known.tolist()
        found = named_groups_among(groups, known)
        place = {group: at for at, group in enumerate(there)}
        strange = [group for group in dict.fromkeys(found) if group not in place]
        if not self._groups_are_said and (strange or len(found) != n):
            return None
        if strange:
            raise ValueError(
                f"groups must be among {listed(list(map(repr, there)))}, got {strange[0]!r}; pass those of the "
                "training data, or groups_getter= that finds them, or None"
            )
        if len(found) != n:
            raise ValueError(f"a batch must hold a group for each image, got {len(found)} groups and {n} images")
        if counted and not has_group(known).all():
            raise ValueError(
                "integers count groups that all have a name, and of the training data some had none; pass names in a "
                "list, with None for those, or groups_getter=None"
            )
        return np.array([place[group] for group in found], dtype=np.int64)

    def _held(self, places: NDArray[np.int64], at: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positions of groups; -1 where there are no images of the class, given by its position, in one."""
        held = np.zeros(len(at), dtype=bool)
        held[places >= 0] = self._source.holds(places[places >= 0], at[places >= 0])
        lacking = np.flatnonzero(~held & (places >= 0))
        if len(lacking) and self._source.missing == "error":
            assert self._source.groups is not None
            label, group = self._source.classes[places[lacking[0]]], self._source.groups.tolist()[at[lacking[0]]]
            raise ValueError(
                f"the pool holds no image of class {label} in group {group!r}; build it with per_cell=, {KEEP}, or "
                "groups_getter=None to draw of any group"
            )
        return np.where(held, at, -1)

    def _with_groups(self, groups: Any, chosen: Tensor, of: NDArray[np.int64]) -> Any:
        """Groups of a batch with those of the synthetic images, as they are written there."""
        known, array = self._source.groups, isinstance(groups, np.ndarray)
        assert known is not None
        if isinstance(groups, Tensor):
            values = of if known.dtype.kind in "UO" else known[of]
            new = groups.clone()
            new[chosen.to(groups.device)] = torch.from_numpy(values).to(groups.device, groups.dtype)
            return new
        changed = dict(zip(chosen.tolist(), known[of].tolist(), strict=True))
        written = [changed.get(index, group) for index, group in enumerate(groups.tolist() if array else groups)]
        return np.array(written, dtype=object if groups.dtype == object else None) if array else type(groups)(written)

    def _as_labels(self, positions: Tensor, labels: Tensor) -> Tensor:
        """Positions among the source's classes as labels of the batch."""
        values = torch.from_numpy(self._source.labels())[positions]
        if labels.ndim == 2:
            if int(values.max()) >= labels.shape[1]:
                classes = listed(self._source.classes)
                raise ValueError(f"labels have {labels.shape[1]} columns, too few for the source's classes {classes}")
            values = torch.nn.functional.one_hot(values, labels.shape[1])
        return values.to(labels.device, labels.dtype)


class RandomSynthetic(_Synthetic):
    """Replace an image by a synthetic one of the same class, at random.

    Called on a pair ``(image, label)``, or on any sample that holds one image and its label. Most torchvision datasets
    show a transform the image only: for these there is :class:`AugmentedDataset`. Of a source with groups they come as
    often as in training, or in the pool, whatever group the sample is of: groups are kept, and cells balanced, by
    :class:`SyntheticMix` alone.

    Parameters
    ----------
    source : SyntheticPool or generator of images, such as ImageGAN
        In workers of a DataLoader a pool, or a small GAN on the CPU.
    p : float in [0, 1], default=0.3
        Probability with which the image is replaced.
    mean, std, resize, labels_getter, classes, missing
        As for :class:`SyntheticMix`.

    Notes
    -----
    Images are PIL images, tensors (channels, height, width) or ``tv_tensors.Image``, and come out as they went in,
    except that all are what ``fit`` makes of them, replaced or not, so that batches can be made of them: PIL images
    upright and grey or RGB, with palettes and transparency resolved, and grey images in RGB where the source's are.
    Random numbers come from torch's global state.

    Examples
    --------
    >>> from PIL import Image
    >>> from ganaug import ImageGAN, labelled_images
    >>> gan = ImageGAN(steps=2, random_state=0, verbose=False).fit(labelled_images("digits").subset(range(100)))
    >>> image, label = RandomSynthetic(gan, p=1.0)(Image.new("L", (8, 8)), 5)
    >>> image.mode, image.size, label
    ('L', (8, 8), 5)
    """

    def __init__(
        self,
        source: SyntheticPool | Generator,
        p: float = 0.3,
        *,
        mean: Any = None,
        std: Any = None,
        resize: bool = False,
        labels_getter: str | Callable[[Any], Any] = "default",
        classes: Sequence[str] | None = None,
        missing: Literal["error", "keep"] = "error",
    ) -> None:
        super().__init__(source, p, mean, std, resize, labels_getter, classes, missing)

    def _replace(self, image: Any, label: Any, groups: Any) -> tuple[Any, Any, Any]:
        one = (label.detach().cpu() if isinstance(label, Tensor) else np.asarray(label)).reshape(-1)
        if len(one) != 1:
            raise ValueError(
                f"RandomSynthetic takes one image and its label, got {len(one)} numbers; for batches there is "
                "SyntheticMix, and a one-hot row is no label here"
            )
        position = self._source.positions(one)
        image = as_fitted(image, self._source.image_shape[0], self._source.dtype)
        if torch.rand((), dtype=torch.float32, device="cpu") >= self.p or position[0] < 0:
            return image, label, groups
        return self._pixels.one_like(self._source.draw(position)[0], image), label, groups


def _hard(labels: Tensor) -> Tensor:
    """Class indices of labels (batch,) or one-hot rows."""
    if labels.ndim == 1 and not labels.is_floating_point():
        return labels
    one_hot = (
        labels.ndim == 2
        and labels.shape[1] > 1
        and bool((((labels == 0) | (labels == 1)).all()) and (labels.sum(1) == 1).all())
    )
    if not one_hot:
        raise ValueError(
            "labels must be integer class indices (batch,) or one-hot rows (batch, classes), got others of shape "
            f"{tuple(labels.shape)}, {labels.dtype}; soft labels come later: place SyntheticMix before CutMix or MixUp"
        )
    return labels.to(torch.uint8).argmax(1)


def _weights(balance: Any, n_classes: int) -> Tensor | None:
    if balance is None:
        return None
    if isinstance(balance, str):
        if balance != "uniform":
            raise ValueError(f"balance must be None, 'uniform' or a weight for each class, got {balance!r}")
        return torch.ones(n_classes, dtype=torch.float32, device="cpu")
    if not isinstance(balance, Sequence | Tensor | np.ndarray):
        raise ValueError(f"balance must be None, 'uniform' or a weight for each class, got {balance!r}")
    weights = torch.as_tensor(balance, dtype=torch.float64, device="cpu")
    if (
        not bool(weights.isfinite().all())
        or weights.shape != (n_classes,)
        or not bool((weights >= 0).all())
        or not weights.sum() > 0
    ):
        raise ValueError(
            f"balance must hold a weight for each of the {n_classes} classes, none negative, got {balance}"
        )
    return weights
