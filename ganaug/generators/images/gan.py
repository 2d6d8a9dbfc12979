"""A class-conditional GAN for images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Literal

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor, nn

from ganaug.data import LabelledImages
from ganaug.engine.devices import DeviceLike, RandomStateLike, resolve_device
from ganaug.engine.run_options import RunOptions
from ganaug.generators.fitting import ENGINE_CONSTRAINTS, Fitting
from ganaug.generators.grouping import mean_over_groups
from ganaug.generators.images.base import NeuralImageGenerator
from ganaug.generators.images.networks import (
    ImageArchitecture,
    ImageDiscriminator,
    ImageGenerator,
    build_networks,
)
from ganaug.generators.images.presets import PRESETS, ImageGANConfig, resolve_image_config, too_short
from ganaug.generators.images.sampling import ImageScoring
from ganaug.objectives.adversarial.augment import OPERATIONS, ImageAugmentation
from ganaug.objectives.adversarial.objective import AdversarialObjective

__all__ = ["ImageGAN"]


class ImageGAN(ImageScoring, NeuralImageGenerator):
    """Class-conditional GAN for small images.

    Learns to draw images of each class from few examples. Any size from 8x8 to 128x128, square or not, and any
    number of channels.

    Parameters
    ----------
    preset : {"auto", "tiny", "small", "base"}, default="auto"
        Size of the networks and length of the training. "tiny" is made for a CPU, "small" for a GPU, "base" for
        a GPU and 5,000 images or more. "auto" takes "tiny" on a CPU and otherwise chooses by the size and number of
        images; of a run in ``run.checkpoint_dir`` it takes what that was begun with, on whatever device.
    steps : int or "auto", default="auto"
        Updates of generator and discriminator. "auto" takes those of the preset up to ten classes, and as many more
        as there are classes beyond; fewer than a quarter of these are a warning where there are so many classes.
    batch_size : int or "auto", default="auto"
        Real images per step; as many are generated. "auto" takes that of the preset and, on a GPU whose memory it does
        not fit into, half of it, a quarter and so on; this is tried out before training starts.
    learning_rate : float or "auto", default="auto"
        Of both networks at the start of a cosine schedule that ends at a tenth of it.
    gamma : float or "auto", default="auto"
        Weight of the gradient penalty (R1 + R2) / 2 at the start; falls to a tenth.
    augment : "auto" or sequence of str, default="auto"
        What the discriminator sees is changed at random by these operations, real and generated images alike:
        "translation", "cutout", "color", "hflip". "auto" takes translation and cutout, and colour for RGB pixels;
        never flips, which would be wrong for digits, text or left and right hands.
    augment_p : float in [0, 1) or "auto", default="auto"
        Probability of each of these operations for each image. "auto" takes more the fewer images a class has.
    label_temperature : float in [0, 1], default=0.0
        0 shows every class equally often in training, 1 as often as it occurs. With groups that is so of cells, the
        combinations of class and group that occur.
    marginal_share : float in [0, 1], default=0.5
        With groups, the share of each batch that is judged by its class alone or by its group alone, one half each.
        There the GAN is asked for any pair of class and group, and so learns to draw those that the data lack; 0 trains
        on pairs that occur only.
    pseudo_label_confidence : float in (0, 1] or None, default=0.9
        Images labelled -1 get the class that label spreading over nearest neighbours of pixels (Zhou et al., NeurIPS
        2003) gives at least this probability, and where that is right less often, as hidden labels show, so high a one
        that it is right so often; None gives none of them a class.
    device : str, default="auto"
        "cpu", "cuda", "cuda:N" or "mps"; "auto" takes CUDA, else MPS, else the CPU.
    random_state : int, RandomState, Generator or None, default=None
        Source of all randomness; the global states are neither read nor changed. On a CPU the same integer gives the
        same weights bit for bit; on a GPU sums are rounded in an order that may change.
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
        Groups as they were given, sorted; None where the GAN was trained without.
    cell_counts_ : ndarray of shape (n_classes, n_groups), int64, or None
        Training images of each class in each group; any cell may be sampled, an empty one too.
    image_shape_ : tuple of int
        Channels, height, width.
    sample_spec_ : SampleSpec
        Kind, shape and dtype of what is drawn.
    pixel_scale_ : PixelScale
        Range of each channel of the training images, where they were float32.
    config_ : ImageGANConfig
        What the "auto" values became.
    history_ : list of dict
        A reading of the losses every 50 steps.
    health_ : list of dict
        What went wrong in the training: "finding", "step", "class", "value", "threshold" and the "action" taken. At the
        end, where samples are not of the class asked for, "class_inconsistency" with the shares of all "classes".
    validation_ : list of dict
        Where ``run.validation_fraction`` is not 0, "step", "score" and those of the "classes" of twenty readings; the
        best, which was taken, has the lowest score.
    generator_, discriminator_ : Module
        The trained networks; the generator holds the moving average of its weights.

    See Also
    --------
    ganaug.labelled_images : Everything that `fit` reads images from.

    Notes
    -----
    With groups the networks are conditioned on the sum of an embedding of the class and one of the group. A class that
    a group lacks is drawn from what other groups show of the class and other classes of the group.

    References
    ----------
    Huang et al., "The GAN is dead; long live the GAN! A Modern GAN Baseline", NeurIPS 2024.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug import ImageGAN, labelled_images
    >>> digits = labelled_images("digits").subset(range(200))
    >>> gan = ImageGAN(steps=5, random_state=0, device="cpu", verbose=False).fit(digits)
    >>> images = gan.sample([3, 3, 8], random_state=1)
    >>> images.shape, images.dtype
    (torch.Size([3, 1, 8, 8]), torch.uint8)

    Digits of three scanners, the newest of which has seen no 8:

    >>> scanner = np.resize(["a", "b", "new"], 200)
    >>> scanner[(digits.labels == 8) & (scanner == "new")] = "a"
    >>> gan = ImageGAN(steps=5, random_state=0, device="cpu", verbose=False).fit(digits, groups=scanner)
    >>> eights = gan.sample([8, 8], ["new", "new"], random_state=1)
    >>> gan.groups_.tolist(), gan.cell_counts_[8].tolist()
    (['a', 'b', 'new'], [14, 5, 0])
    """

    family: ClassVar[str] = "GAN"
    network_names: ClassVar[tuple[str, ...]] = ("generator", "discriminator")
    config_class: ClassVar[Any] = ImageGANConfig
    generator_: ImageGenerator
    discriminator_: ImageDiscriminator

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "preset": [StrOptions({"auto", *PRESETS})],
        "steps": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "learning_rate": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "gamma": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "augment": [StrOptions({"auto"}), "array-like", tuple],
        "augment_p": [Interval(Real, 0, 1, closed="left"), StrOptions({"auto"})],
        "label_temperature": [Interval(Real, 0, 1, closed="both")],
        "marginal_share": [Interval(Real, 0, 1, closed="both")],
        "pseudo_label_confidence": [Interval(Real, 0, 1, closed="right"), None],
        **ENGINE_CONSTRAINTS,
    }

    def __init__(
        self,
        *,
        preset: Literal["auto", "tiny", "small", "base"] = "auto",
        steps: int | Literal["auto"] = "auto",
        batch_size: int | Literal["auto"] = "auto",
        learning_rate: float | Literal["auto"] = "auto",
        gamma: float | Literal["auto"] = "auto",
        augment: Literal["auto"] | Sequence[str] = "auto",
        augment_p: float | Literal["auto"] = "auto",
        label_temperature: float = 0.0,
        marginal_share: float = 0.5,
        pseudo_label_confidence: float | None = 0.9,
        device: DeviceLike = "auto",
        random_state: RandomStateLike = None,
        verbose: bool | Literal["auto"] = "auto",
        run: RunOptions | None = None,
    ) -> None:
        self.preset = preset
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.gamma = gamma
        self.augment = augment
        self.augment_p = augment_p
        self.label_temperature = label_temperature
        self.marginal_share = marginal_share
        self.pseudo_label_confidence = pseudo_label_confidence
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.run = run

    def _resolver(self, data: LabelledImages, n_images: int, n_groups: int) -> Callable[..., ImageGANConfig]:
        self._validate_params()
        if not isinstance(self.augment, str):
            unknown = [name for name in self.augment if name not in OPERATIONS]
            if unknown:
                raise ValueError(f"augment knows {sorted(OPERATIONS)}, got {unknown}; leave those out")
            if len(set(self.augment)) < len(self.augment):
                raise ValueError(f"augment must not repeat itself, got {list(self.augment)}; name each operation once")
        counts = np.unique(data.labels, return_counts=True)[1]
        shares = counts + (n_images - len(data)) / len(counts)  # what has no label is spread over the classes
        options = self._run_options()
        params = self.get_params(deep=False)
        params |= {"validation_fraction": options.validation_fraction, "precision": options.precision}
        device, pictures = resolve_device(self.device), data.images.dtype == np.uint8
        return lambda **changed: resolve_image_config(
            params | changed, data.image_shape, shares, device, pictures=pictures, n_groups=n_groups
        )

    def _open_sizes(self, fitting: Fitting, config: ImageGANConfig) -> dict[str, Any]:
        preset = fitting.found.get("preset")
        if self.preset != "auto" or preset not in list(PRESETS) or preset == config.preset:
            return {}
        if fitting.device.type == "cpu":
            how = f"with the preset {preset!r}, which is made for a GPU"
            fitting.warn_of_slow(how, f"train {config.preset!r}", stacklevel=5)
        return {"preset": preset}

    def _remark(self, config: ImageGANConfig) -> str | None:
        return too_short(config)

    def _objective(self, config: ImageGANConfig, fitting: Fitting) -> Callable[..., AdversarialObjective]:
        shape = config.architecture.image_shape
        augment = ImageAugmentation(config.operations, shape, fitting.randomness, fitting.processes)
        return lambda networks, config, **engine: AdversarialObjective(
            networks["generator"], networks["discriminator"], config.objective, augment, **engine
        )

    def _scores(self, images: Tensor, conditions: Tensor) -> Tensor:
        if self.config_.objective.marginals is not None or self.cell_counts_ is None:
            return self.discriminator_(images, conditions)
        # Without the marginals it never judged by the class alone.
        temperature = self.config_.training.label_temperature
        return mean_over_groups(partial(self.discriminator_, images), conditions, self.cell_counts_, temperature)

    @classmethod
    def _networks(cls, architecture: ImageArchitecture) -> dict[str, nn.Module]:
        return dict(zip(cls.network_names, build_networks(architecture), strict=True))
