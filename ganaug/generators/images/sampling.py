"""What a fitted generator of images can do: draw, interpolate, score, show, and leave as one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from ganaug._version import __version__
from ganaug.data.files import user_path, write_atomically
from ganaug.data.host_states import plain_states
from ganaug.data.images.pictures import class_grid, png_bytes, shown_figure
from ganaug.data.images.pixel_scale import PixelScale
from ganaug.engine.devices import RandomStateLike, random_generator
from ganaug.generators.base import NeuralGenerator
from ganaug.generators.images.drawing import draw, generate, sampling_batch
from ganaug.generators.images.export import export_generator
from ganaug.generators.latents import arcs
from ganaug.generators.model_folder import labels_to_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ImageSampling", "ImageScoring"]


class ImageSampling(NeuralGenerator):
    """The part of generators of images that needs no training data.

    ``generator_`` is called as ``generator_(latents, conditions)`` with standard normal numbers of shape (n,
    ``arch.latent_dim``), and gives images of shape (n, *``arch.image_shape``) in [-1, 1]; ``arch.largest_map`` says how
    many numbers it holds of each at once, and ``arch.n_groups`` how many groups it is conditioned on.
    """

    sample_kind: ClassVar[str] = "images"
    generator_: Any
    image_shape_: tuple[int, int, int]
    pixel_scale_: PixelScale

    def sample(self, labels: Any, groups: Any = None, *, random_state: RandomStateLike = None) -> Tensor:
        """Draw one synthetic image per label.

        Parameters
        ----------
        labels : array-like of shape (n,)
            Classes among ``classes_``; may be empty.
        groups : array-like of shape (n,), optional
            Groups among ``groups_``, where it was trained with groups; any pair of class and group will do. By default
            they are drawn as in training, from those that the class occurs in.
        random_state : int, RandomState, Generator or None
            The same integer gives the same images, on a CPU bit for bit.

        Returns
        -------
        Tensor of shape (n, channels, height, width), uint8 or float32
            On the CPU, in the dtype and the range of the training images.

        Raises
        ------
        ValueError
            For a label or a group that was not in the training data, and another number of groups than of labels.
        """
        return self.sample_positions(*self._positions(labels, groups), random_state=random_state)

    @plain_states()
    def sample_positions(
        self,
        positions: Tensor,
        groups: Tensor | None = None,
        *,
        random_state: RandomStateLike = None,
        device: str | torch.device = "cpu",
    ) -> Tensor:
        """As :meth:`sample`, for positions in ``classes_`` and ``groups_``, with the result on `device`."""
        check_is_fitted(self)
        randomness = random_generator(random_state, "sample")
        asked = self._conditions(positions, groups, randomness)
        return draw(self.generator_, asked, randomness, device, self.pixel_scale_)

    def _as_drawn(self, X: Any, n_labels: int) -> Tensor:
        """Images that are like those that are drawn, one for each label."""
        pixels = torch.as_tensor(X)
        dtype = self.pixel_scale_.dtype
        expected = (getattr(torch, dtype), 4, tuple(self.image_shape_))
        if (pixels.dtype, pixels.ndim, tuple(pixels.shape[1:])) != expected:
            shape = ", ".join(map(str, self.image_shape_))
            raise ValueError(
                f"X must be {dtype} images of shape (n, {shape}), as the generator draws them, got {pixels.dtype} of "
                f"shape {tuple(pixels.shape)}; convert or resize them first"
            )
        if len(pixels) != n_labels:
            raise ValueError(
                f"X and labels must have the same length, got {len(pixels)} images and {n_labels} labels; "
                "pass a label for each image"
            )
        return pixels

    @plain_states()
    def interpolate(
        self, labels: Any, groups: Any = None, *, steps: int = 8, random_state: RandomStateLike = None
    ) -> Tensor:
        """Draw two synthetic images per label, and images on the way from one to the other.

        Where the images on the way are of the class too and change little by little, the generator has learnt more than
        its training images.

        Parameters
        ----------
        labels : array-like of shape (n,)
            Classes among ``classes_``.
        groups : array-like of shape (n,), optional
            As for :meth:`sample`; each is that of all images of its label.
        steps : int
            Images per label, the two ends among them; at least two.
        random_state : int, RandomState, Generator or None

        Returns
        -------
        Tensor of shape (n, steps, channels, height, width), uint8 or float32
            On the CPU.

        Raises
        ------
        ValueError
            As :meth:`sample`, and for fewer than two steps.
        """
        positions, chosen = self._positions(labels, groups)
        if steps < 2:
            raise ValueError(f"steps must be at least 2, both ends, got {steps}")
        randomness = random_generator(random_state, "interpolate")
        conditions = self._conditions(positions, chosen, randomness)
        ends = torch.randn(2, len(positions), self.generator_.arch.latent_dim, generator=randomness)
        latents = arcs(ends[0], ends[1], steps).flatten(0, 1)
        asked = conditions.repeat_interleave(steps, 0)
        return generate(self.generator_, latents, asked, scale=self.pixel_scale_).unflatten(0, (-1, steps))

    @plain_states()
    def show(
        self,
        path: str | Path | None = None,
        *,
        per_class: int = 8,
        groups: Any = None,
        random_state: RandomStateLike = 0,
    ) -> Figure:
        """Show a grid of synthetic images, one row per class; the range of float images becomes 0 to 255.

        In a notebook the picture stands below the cell that ends in this call; elsewhere a window opens where there is
        a screen.

        Parameters
        ----------
        path : path-like, optional
            PNG file that the grid is written to, pixel by pixel, in place of a window.
        per_class : int
            Images per row.
        groups : array-like, optional
            Groups to show, which take turns along each row; by default all there are.
        random_state : int, RandomState, Generator or None

        Returns
        -------
        matplotlib.figure.Figure
        """
        check_is_fitted(self)
        if per_class < 1:
            raise ValueError(f"per_class must be at least 1, got {per_class}")
        positions = torch.arange(len(self.classes_)).repeat_interleave(per_class)
        chosen = None
        if self.groups_ is not None or groups is not None:
            shown = torch.from_numpy(self.group_indices(self.groups_ if groups is None else groups))
            if len(shown) == 0:
                raise ValueError("groups must name at least one group to show, got none; leave it out for all")
            chosen = shown[torch.arange(per_class) % len(shown)].repeat(len(self.classes_))
        randomness = random_generator(random_state, "sample")
        images = draw(self.generator_, self._conditions(positions, chosen, randomness), randomness).numpy()
        names = [self.class_name(label) for label in self.classes_.tolist()]
        rows = list(zip(names, np.split(images, len(names)), strict=True))
        grid = class_grid(rows)
        if path is not None:
            write_atomically(user_path(path), png_bytes(grid))
        return shown_figure(grid, window=path is None)

    @plain_states()
    def export(self, path: str | Path, *, format: Literal["onnx", "torch_export"] = "onnx") -> Path:
        """Write the generator to one file that needs no ganaug.

        Its inputs are ``latents`` (n, latent_dim), float32 from a standard normal distribution, and ``classes`` (n,),
        int64 positions in ``classes_``; of one that was trained with groups also ``groups`` (n,), int64 positions in
        ``groups_``. Its output ``images`` (n, channels, height, width) is what `sample` draws of them, up to rounding.
        `n` is free. Classes, their names, groups, latent_dim and ganaug's version are in the metadata: in ONNX the
        model's properties, in a .pt2 the extra file "ganaug.json".

        Parameters
        ----------
        path : path-like
            File to write, such as "gan.onnx" or "gan.pt2".
        format : {"onnx", "torch_export"}, default="onnx"
            "onnx" needs ``pip install "ganaug[onnx]"``. "torch_export" is read by ``torch.export.load``, which has
            taken the place of TorchScript.

        Returns
        -------
        Path
            The file written.

        Raises
        ------
        ValueError
            For a format that is unknown, not what the file's name says, or lacks its package.

        Examples
        --------
        >>> import tempfile, torch
        >>> from ganaug import ImageGAN, labelled_images
        >>> digits = labelled_images("digits").subset(range(60))
        >>> gan = ImageGAN(steps=2, random_state=0, device="cpu", verbose=False).fit(digits)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     program = torch.export.load(gan.export(f"{folder}/gan.pt2", format="torch_export"))
        >>> program.module()(torch.randn(5, 64), torch.tensor([3, 3, 8, 8, 0])).shape
        torch.Size([5, 1, 8, 8])
        """
        check_is_fitted(self)
        classes = {"classes": labels_to_json(self.classes_)["values"], "class_names": list(self.names().values())}
        if self.groups_ is not None:
            classes["groups"] = labels_to_json(self.groups_)["values"]
        sizes = {"latent_dim": self.generator_.arch.latent_dim, "ganaug_version": __version__}
        path = user_path(path)
        export_generator(self.generator_, path, format, {**classes, **sizes}, self.pixel_scale_)
        return path


class ImageScoring(ImageSampling):
    """For families that can score images, too, by :meth:`_scores`."""

    def _scores(self, images: Tensor, conditions: Tensor) -> Tensor:
        """Score images in the scale of the networks; both are on their device, and -1 stands for an unknown group."""
        raise NotImplementedError

    @plain_states()
    @torch.no_grad()
    def score_samples(self, X: Any, labels: Any, groups: Any = None) -> NDArray[np.float32]:
        """How much images are like the training images of their class; the class says by which measure.

        Parameters
        ----------
        X : ndarray or Tensor of shape (n, channels, height, width), uint8 or float32 as the generator draws them
        labels : array-like of shape (n,)
        groups : array-like of shape (n,), optional
            As for :meth:`sample`: images are compared with those of the group, too. By default by their class alone.

        Returns
        -------
        ndarray of shape (n,), float32
            Higher is more like them. May be compared within a class, not between classes or models.

        Raises
        ------
        ValueError
            For images of another dtype or shape than those that the generator draws, other than one label for each, and
            a label or a group that was not in the training data.
        """
        indices = self._judged(labels, groups)
        pixels = self._as_drawn(X, len(indices))
        if len(indices) == 0:
            return np.empty(0, dtype=np.float32)
        device = self.device_
        batch = sampling_batch(self.generator_.arch.largest_map, device)
        scores = [
            self._scores(self.pixel_scale_.to_network(part.to(device)), conditions.to(device)).float().cpu()
            for part, conditions in zip(pixels.split(batch), indices.split(batch), strict=True)
        ]
        return torch.cat(scores).numpy()
