"""Class-conditional flow matching for images."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from ganaug.data import LabelledImages
from ganaug.data.host_states import plain_states
from ganaug.engine.devices import DeviceLike, RandomStateLike, auto_precision, resolve_device
from ganaug.engine.run_options import RunOptions
from ganaug.generators.config import GeneratorConfig
from ganaug.generators.fitting import ENGINE_CONSTRAINTS, Fitting
from ganaug.generators.flow_sampler import FLOW_CONSTRAINTS, FlowSampling
from ganaug.generators.images.auto import given, times_for_classes
from ganaug.generators.images.base import NeuralImageGenerator
from ganaug.generators.images.drawing import sampling_batch
from ganaug.generators.images.flow_networks import ImageFlowArchitecture, build_sampler
from ganaug.objectives.flow_matching import FlowMatchingConfig, FlowMatchingObjective

__all__ = ["ImageFlow", "ImageFlowConfig"]

BATCH_SIZE = 64
LEARNING_RATE = 2e-3
WIDTH = 64
LARGE = 32  # pixels of the shorter side, from which on patches of 4x4 pixels are read and written, in place of 2x2
# Shown in training by the side of a patch, of 14x14 pixels or more and up to ten classes; those in 4x4 take no longer.
IMAGES = {2: 90_000, 4: 174_000}


@dataclass(frozen=True)
class ImageFlowConfig(GeneratorConfig):
    """Everything that training an :class:`ImageFlow` depends on beside the data and the seed."""

    architecture: ImageFlowArchitecture
    objective: FlowMatchingConfig


class ImageFlow(FlowSampling, NeuralImageGenerator):
    """Class-conditional flow matching for small images.

    Learns the velocity of a flow that carries noise to images, and draws by following it: the training is a regression
    without an opponent, and a sample costs 8 calls of the network by default, where an :class:`ImageGAN` makes one. Any
    size from 8x8 to 128x128, square or not, and any number of channels.

    Parameters
    ----------
    steps : int or "auto", default="auto"
        Updates of the network. "auto" shows 90,000 images of 14x14 or more, 174,000 of 32x32 or more, smaller ones
        fewer times, and as many more as there are classes beyond ten.
    batch_size : int or "auto", default="auto"
        Images per step. "auto" takes 64 and, on a GPU whose memory it does not fit into, half of it and so on.
    learning_rate : float or "auto", default="auto"
        At the start of a cosine schedule that ends at a tenth of it; "auto" is 2e-3.
    width : int or "auto", default="auto"
        Channels of the finer stages; the coarsest has twice as many. "auto" is 64.
    guidance : float, default=1.0
        Of the samples (Ho and Salimans, "Classifier-free diffusion guidance", 2022): more than 1 draws what is more
        clearly of its class and varies less, at twice the cost; 0 leaves the class out. See :meth:`with_sampling`.
    sampling_steps : int, default=4
        Of the solver, a midpoint method of second order: 2 calls of the network each, and 4 with guidance.
    label_dropout : float in [0, 0.3), default=0.1
        Share of each batch that is learnt without its conditions, which guidance needs. With groups another such share
        is learnt without its class, and another without its group.
    label_temperature : float in [0, 1], default=0.0
        0 shows every class equally often in training, 1 as often as it occurs. With groups that is so of cells, the
        combinations of class and group that occur.
    pseudo_label_confidence : float in (0, 1] or None, default=0.9
        Images labelled -1 get the class that label spreading over nearest neighbours of pixels (Zhou et al., NeurIPS
        2003) gives at least this probability, and where that is right less often, as hidden labels show, so high a one
        that it is right so often; None gives none of them a class.
    device : str, default="auto"
        "cpu", "cuda", "cuda:N" or "mps"; "auto" takes CUDA, else MPS, else the CPU.
    random_state : int, RandomState, Generator or None, default=None
        Source of all randomness; the global states are neither read nor changed.
    verbose : bool or "auto", default="auto"
        Rate and time left: a bar on a terminal or in a notebook, else lines, those not for "auto".
    run : RunOptions or None, default=None
        Logging, checkpoints, health, validation, several processes and callbacks; None stands for ``RunOptions()``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels as they were given, sorted.
    class_names_ : dict
        Display names of classes, where the source had any.
    groups_ : ndarray of shape (n_groups,) or None
        Groups as they were given, sorted; None where the flow was trained without.
    cell_counts_ : ndarray of shape (n_classes, n_groups), int64, or None
        Training images of each class in each group; any cell may be sampled, an empty one too.
    image_shape_ : tuple of int
        Channels, height, width.
    sample_spec_ : SampleSpec
        Kind, shape and dtype of what is drawn.
    pixel_scale_ : PixelScale
        Range of each channel of the training images, where they were float32.
    config_ : ImageFlowConfig
        What the "auto" values became.
    history_ : list of dict
        A reading of the loss every 50 steps.
    health_ : list of dict
        What went wrong in the training: "finding", "step", "class", "value", "threshold" and the "action" taken. At the
        end, where samples are not of the class asked for, "class_inconsistency" with the shares of all "classes".
    validation_ : list of dict
        Where ``run.validation_fraction`` is not 0, "step", "score" and those of the "classes" of twenty readings.
    generator_ : Module
        The solver around the moving average of the trained network.

    See Also
    --------
    ganaug.ImageGAN : Draws by one call of its network.

    Notes
    -----
    With noise x0 and an image x1, the network v is trained on ||v(x_t, t | class) - (x1 - x0)||^2 at x_t = (1 - t) x0 +
    t x1 (Lipman et al., "Flow Matching for Generative Modeling", ICLR 2023), for uniform times t. Within each batch and
    class noise and images are paired so that the lines between them are shortest (Tong et al., TMLR 2024). A sample is
    the end of dx/dt = v(x, t | class), integrated from noise at t = 0 to t = 1.

    The network reads and writes images in patches of 2x2 pixels, and of 4x4 where both sides have 32 or more: there a
    step costs about half and a sample about a quarter of what it costs with 2x2, and twice as many steps are made.

    On 60 images of each class of scikit-learn's digits a default training takes 24 seconds of a CPU core. A classifier
    of its samples alone is right on 96.7 % of other real images, and one of those of :class:`ImageGAN` on 87.8 %, by
    ``python benchmarks/families.py images`` (three seeds).

    There is no ``score_samples``: the likelihood of an image would be an estimate from random directions, of a network
    backwards for each step.

    Examples
    --------
    >>> from ganaug import ImageFlow, labelled_images
    >>> digits = labelled_images("digits").subset(range(200))
    >>> flow = ImageFlow(steps=5, width=16, random_state=0, device="cpu", verbose=False).fit(digits)
    >>> images = flow.sample([3, 3, 8], random_state=1)
    >>> images.shape, images.dtype
    (torch.Size([3, 1, 8, 8]), torch.uint8)
    >>> flow.with_sampling(guidance=2.0).sample([3, 3, 8], random_state=1).shape
    torch.Size([3, 1, 8, 8])
    """

    family: ClassVar[str] = "flow-matching model"
    config_class: ClassVar[Any] = ImageFlowConfig

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "steps": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "learning_rate": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "width": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "label_temperature": [Interval(Real, 0, 1, closed="both")],
        "pseudo_label_confidence": [Interval(Real, 0, 1, closed="right"), None],
        **FLOW_CONSTRAINTS,
        **ENGINE_CONSTRAINTS,
    }

    def __init__(
        self,
        *,
        steps: int | Literal["auto"] = "auto",
        batch_size: int | Literal["auto"] = "auto",
        learning_rate: float | Literal["auto"] = "auto",
        width: int | Literal["auto"] = "auto",
        guidance: float = 1.0,
        sampling_steps: int = 4,
        label_dropout: float = 0.1,
        label_temperature: float = 0.0,
        pseudo_label_confidence: float | None = 0.9,
        device: DeviceLike = "auto",
        random_state: RandomStateLike = None,
        verbose: bool | Literal["auto"] = "auto",
        run: RunOptions | None = None,
    ) -> None:
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.width = width
        self.guidance = guidance
        self.sampling_steps = sampling_steps
        self.label_dropout = label_dropout
        self.label_temperature = label_temperature
        self.pseudo_label_confidence = pseudo_label_confidence
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.run = run

    @plain_states()
    @torch.no_grad()
    def translate(
        self, X: Any, labels: Any, groups: Any, to_groups: Any, *, strength: float = 1.0, steps: int = 8
    ) -> Tensor:
        """Draw images as they would be in another group: as another speaker says it, or another scanner sees it.

        The flow of the class and group that an image is of is followed back from the image to noise, and from there the
        flow of the class and the group that is asked for (Su et al., "Dual Diffusion Implicit Bridges for
        Image-to-Image Translation", ICLR 2023). What the flow does not explain by class and group stays in the noise,
        and so in the image. Nothing is random.

        Parameters
        ----------
        X : ndarray or Tensor of shape (n, channels, height, width), uint8 or float32 as the flow draws them
        labels : array-like of shape (n,)
            The class of each, among ``classes_``.
        groups, to_groups : array-like of shape (n,)
            The group that each is of, and that it is wanted in, among ``groups_``.
        strength : float in (0, 1], default=1.0
            How far back each is followed: 1 to noise, less to where more of the image is left.
        steps : int, default=8
            Of the solver, in each direction: 2 calls of the network each.

        Returns
        -------
        Tensor of shape (n, channels, height, width), uint8 or float32
            On the CPU.

        Raises
        ------
        ValueError
            For a flow that was trained without groups, a label or a group that was not in the training data, another
            number of labels or groups than of images, images of another dtype or shape, and options out of range.

        Examples
        --------
        >>> from ganaug import ImageFlow, labelled_images
        >>> digits, pens = labelled_images("digits").subset(range(200)), ["thin", "thick"] * 100
        >>> flow = ImageFlow(steps=5, width=16, random_state=0, device="cpu", verbose=False).fit(digits, groups=pens)
        >>> flow.translate(digits.images[:3], digits.labels[:3], pens[:3], ["thick"] * 3).shape
        torch.Size([3, 1, 8, 8])
        """
        check_is_fitted(self)
        if self.groups_ is None:
            raise ValueError("translate needs a flow that was trained with groups; pass groups to fit")
        if not 0 < strength <= 1:
            raise ValueError(f"strength must be in (0, 1], got {strength!r}")
        if steps < 1:
            raise ValueError(f"steps must be at least 1, got {steps!r}")
        of, asked = self._judged(labels, groups), self._judged(labels, to_groups)
        pixels = self._as_drawn(X, len(of))
        if len(of) == 0:
            return pixels
        sampler, device = self.generator_, self.device_
        batch, drawn = sampling_batch(sampler.arch.largest_map, device), []
        for images, *conditions in zip(pixels.split(batch), of.split(batch), asked.split(batch), strict=True):
            before, after = (part.to(device) for part in conditions)
            x = sampler.velocity.encode(self.pixel_scale_.to_network(images.to(device)), before)
            x = sampler.translated(x, before, after, steps, turn=1.0 - strength)
            drawn.append(self.pixel_scale_.from_network(sampler.velocity.decode(x, after)).cpu())
        return torch.cat(drawn)

    def _resolver(self, data: LabelledImages, n_images: int, n_groups: int) -> Callable[..., ImageFlowConfig]:
        self._validate_params()
        device, n_classes = resolve_device(self.device), len(np.unique(data.labels))
        params = self.get_params(deep=False) | {"precision": self._run_options().precision}

        def resolve(**changed: Any) -> ImageFlowConfig:
            chosen = given(params | changed)
            width, side = int(chosen.get("width", WIDTH)), math.sqrt(math.prod(data.image_shape[1:]))
            patch = 4 if min(data.image_shape[1:]) >= LARGE else 2
            architecture = ImageFlowArchitecture(
                image_shape=data.image_shape,
                n_classes=n_classes,
                n_groups=n_groups,
                widths=(2 * width, width),
                sampling_steps=int(self.sampling_steps),
                guidance=float(self.guidance),
                patch=patch,
            )
            size = int(chosen.get("batch_size", BATCH_SIZE))
            images = IMAGES[patch] * min(1.0, side / 14) * times_for_classes(n_classes)
            training = self._training_config(
                steps=chosen.get("steps", max(1, round(images / size))),
                batch_size=size,
                learning_rate=chosen.get("learning_rate", LEARNING_RATE),
                precision=chosen.get("precision", auto_precision(device)),
            )
            objective = FlowMatchingConfig(architecture.latent_dim, float(self.label_dropout))
            return ImageFlowConfig(architecture, training, objective)

        return resolve

    def _objective(self, config: ImageFlowConfig, fitting: Fitting) -> Callable[..., FlowMatchingObjective]:
        return lambda networks, config, **engine: FlowMatchingObjective(
            networks["generator"], config.objective, **engine
        )

    @classmethod
    def _networks(cls, architecture: ImageFlowArchitecture) -> dict[str, nn.Module]:
        return {"generator": build_sampler(architecture)}
