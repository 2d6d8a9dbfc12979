"""A class-conditional variational autoencoder for images."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, Literal

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor, nn

from ganaug.data import LabelledImages
from ganaug.engine.devices import DeviceLike, RandomStateLike, auto_precision, resolve_device
from ganaug.engine.run_options import RunOptions
from ganaug.generators.config import GeneratorConfig
from ganaug.generators.fitting import ENGINE_CONSTRAINTS, Fitting
from ganaug.generators.images.auto import given, times_for_classes
from ganaug.generators.images.base import NeuralImageGenerator
from ganaug.generators.images.networks import ImageArchitecture
from ganaug.generators.images.sampling import ImageScoring
from ganaug.generators.images.vae_networks import ImageDecoder, ImageEncoder, ImageVAEArchitecture, build_vae_networks
from ganaug.objectives.variational import DROPPED, VariationalConfig, VariationalObjective, evidence

__all__ = ["ImageVAE", "ImageVAEConfig"]

IMAGES, FEWEST_IMAGES = 256_000, 153_600  # shown in training, for 28x28 and larger, and at least, up to ten classes
BATCH_SIZE, WIDTH, GPU_WIDTH = 64, 48, 128
# Without the noise of the decoder samples vary less than real images at temperature 1; chosen on scikit-learn's digits.
TEMPERATURE = 1.2


@dataclass(frozen=True)
class ImageVAEConfig(GeneratorConfig):
    """Everything that training an :class:`ImageVAE` depends on beside the data and the seed."""

    architecture: ImageVAEArchitecture
    objective: VariationalConfig


class ImageVAE(ImageScoring, NeuralImageGenerator):
    """Class-conditional variational autoencoder (VAE) for small images.

    An encoder maps an image x and its class c to a normal distribution q(z|x,c) of latent vectors, a decoder maps
    latent vector and class to a distribution of images p(x|z,c), and both maximise the evidence lower bound of the
    training images, log p(x|c) >= E_q[log p(x|z,c)] - KL(q(z|x,c) || N(0, 1)). Any size from 8x8 to 128x128, square or
    not, and any number of channels.

    Parameters
    ----------
    steps : int or "auto", default="auto"
        Updates of encoder and decoder. "auto" takes 2400 for images of up to 16x16, rising to 4000 for 28x28 and
        larger, and in proportion more where there are more than ten classes.
    batch_size : int or "auto", default="auto"
        Images per step. "auto" takes 64 and, on a GPU whose memory that does not fit into, half of it, and so on.
    learning_rate : float, default=2e-3
        At the start of a cosine schedule that ends at a tenth of it.
    width : int or "auto", default="auto"
        Channels of the finest feature maps; the others have twice as many. "auto" takes 48 on a CPU and 128 on a GPU.
    latent_dim : int, default=64
        Length of the latent vector; numbers that are not needed stay unused.
    warm_up : float in [0, 1], default=0.2
        Share of the training in which the weight of the divergence rises from 0 to 1, against posterior collapse.
    decoder_noise : bool, default=False
        Whether the noise of each pixel given the latent vector is drawn. False gives the centre of the distribution, a
        smooth image; with True samples vary by as much as the training images, grain included.
    temperature : float or "auto", default="auto"
        Factor of the latent vector when it is drawn: below 1 samples are more typical, above 1 more varied. "auto"
        takes 1 where the noise of the decoder is drawn, and otherwise 1.2, which makes up for it in part.
    label_temperature : float in [0, 1], default=0.0
        0 shows every class equally often in training, 1 as often as it occurs. With groups that is so of cells, the
        combinations of class and group that occur.
    pseudo_label_confidence : float in (0, 1] or None, default=0.9
        As for :class:`ImageGAN`: from which probability on images labelled -1 get a guessed class.
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
        Groups as they were given, sorted; None where it was trained without.
    cell_counts_ : ndarray of shape (n_classes, n_groups), int64, or None
        Training images of each class in each group; any cell may be sampled, an empty one too.
    image_shape_ : tuple of int
        Channels, height, width.
    sample_spec_ : SampleSpec
        Kind, shape and dtype of what is drawn.
    pixel_scale_ : PixelScale
        Range of each channel of the training images, where they were float32.
    config_ : ImageVAEConfig
        What the "auto" values became.
    history_ : list of dict
        A reading every 50 steps: "log_likelihood" and "divergence", whose difference is the evidence lower bound, in
        nats an image.
    health_ : list of dict
        What went wrong in the training, as for :class:`ImageGAN`; "posterior_collapse" where the latent vector says
        next to nothing of the images, so that those drawn of a class are all alike.
    validation_ : list of dict
        Where ``run.validation_fraction`` is not 0, twenty readings, as for :class:`ImageGAN`.
    generator_, latent_encoder_ : Module
        Decoder and encoder, at the moving average of their weights.

    Notes
    -----
    Pixels, 0 to 255, have a discretised logistic distribution (Salimans et al. 2017): each of its 256 probabilities is
    the mass of a logistic distribution around the output of the decoder, 0 and 255 have all that is beyond them, as the
    many black and white pixels of small images ask for, and the probabilities sum to 1, which a density over
    repeated values would not. Images of floats have the density of a logistic distribution, in the scale of the
    networks, where the range of each channel is [-1, 1]. The scale of the distribution is learnt for each place and
    channel (compare Rybkin et al. 2021), so that neither term of the bound has a weight to be chosen.

    In the training the prior of latent vectors is standard normal. After it, it is replaced by the normal distribution
    nearest to the latent vectors of the training images of each class, with groups around a mean for each class and
    group (:class:`~ganaug.objectives.latent_prior.LatentPrior`): a class fills but a part of the standard normal one.

    `score_samples` gives the evidence lower bound in nats for that prior, the mean over eight draws of the latent
    vector, the same in each call and for each image.

    With groups encoder and decoder are conditioned on the sum of an embedding of the class and one of the group; a
    tenth of each batch is shown without its class, and another without its group. One sample costs one pass through the
    decoder, as it does through the generator of an :class:`ImageGAN`.

    References
    ----------
    Kingma and Welling, "Auto-Encoding Variational Bayes", ICLR 2014.
    Sohn, Lee and Yan, "Learning Structured Output Representation using Deep Conditional Generative Models", NeurIPS
    2015.
    Salimans et al., "PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture Likelihood and Other
    Modifications", ICLR 2017.
    Rybkin, Daniilidis and Levine, "Simple and Effective VAE Training with Calibrated Decoders", ICML 2021.

    Examples
    --------
    >>> from ganaug import ImageVAE, labelled_images
    >>> digits = labelled_images("digits").subset(range(200))
    >>> vae = ImageVAE(steps=5, random_state=0, device="cpu", verbose=False).fit(digits)
    >>> images = vae.sample([3, 3, 8], random_state=1)
    >>> images.shape, images.dtype
    (torch.Size([3, 1, 8, 8]), torch.uint8)
    >>> vae.score_samples(images, [3, 3, 8]).shape
    (3,)
    """

    family: ClassVar[str] = "VAE"
    network_names: ClassVar[tuple[str, ...]] = ("generator", "latent_encoder")
    config_class: ClassVar[Any] = ImageVAEConfig
    likelihood_scores: ClassVar[bool] = True
    generator_: ImageDecoder
    latent_encoder_: ImageEncoder

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "steps": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "width": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "warm_up": [Interval(Real, 0, 1, closed="both")],
        "decoder_noise": ["boolean"],
        "temperature": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "label_temperature": [Interval(Real, 0, 1, closed="both")],
        "pseudo_label_confidence": [Interval(Real, 0, 1, closed="right"), None],
        **ENGINE_CONSTRAINTS,
    }

    def __init__(
        self,
        *,
        steps: int | Literal["auto"] = "auto",
        batch_size: int | Literal["auto"] = "auto",
        learning_rate: float = 2e-3,
        width: int | Literal["auto"] = "auto",
        latent_dim: int = 64,
        warm_up: float = 0.2,
        decoder_noise: bool = False,
        temperature: float | Literal["auto"] = "auto",
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
        self.latent_dim = latent_dim
        self.warm_up = warm_up
        self.decoder_noise = decoder_noise
        self.temperature = temperature
        self.label_temperature = label_temperature
        self.pseudo_label_confidence = pseudo_label_confidence
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.run = run

    def _resolver(self, data: LabelledImages, n_images: int, n_groups: int) -> Callable[..., ImageVAEConfig]:
        self._validate_params()
        device, n_classes = resolve_device(self.device), len(np.unique(data.labels))
        params = self.get_params(deep=False) | {"precision": self._run_options().precision}

        def resolve(**changed: Any) -> ImageVAEConfig:
            chosen = given(params | changed)
            side = math.sqrt(math.prod(data.image_shape[1:]))
            width = int(chosen.get("width", WIDTH if device.type == "cpu" else GPU_WIDTH))
            batch_size = int(chosen.get("batch_size", BATCH_SIZE))
            shown = max(FEWEST_IMAGES, IMAGES * min(1.0, side / 28)) * times_for_classes(n_classes)
            return ImageVAEConfig(
                ImageVAEArchitecture(
                    ImageArchitecture(
                        image_shape=data.image_shape,
                        n_classes=n_classes,
                        n_groups=n_groups,
                        widths=(2 * width, width),
                        patch=2,
                        latent_dim=int(self.latent_dim),
                        embedding_scale=1.0,
                    ),
                    pixels=data.images.dtype == np.uint8,
                    decoder_noise=bool(self.decoder_noise),
                    temperature=float(chosen.get("temperature", 1.0 if self.decoder_noise else TEMPERATURE)),
                ),
                self._training_config(
                    steps=chosen.get("steps", max(1, round(shown / batch_size))),
                    batch_size=batch_size,
                    learning_rate=self.learning_rate,
                    precision=chosen.get("precision", auto_precision(device)),
                ),
                VariationalConfig(int(self.latent_dim), float(self.warm_up), DROPPED if n_groups else 0.0),
            )

        return resolve

    def _open_sizes(self, fitting: Fitting, config: ImageVAEConfig) -> dict[str, Any]:
        architecture = fitting.found.get("architecture")
        widths = architecture.get("widths") if isinstance(architecture, dict) else None
        width = widths[-1] if isinstance(widths, list) and widths else None
        if isinstance(self.width, str) and isinstance(width, int) and 0 < width <= GPU_WIDTH:
            return {"width": width}
        return {}

    def _objective(self, config: ImageVAEConfig, fitting: Fitting) -> Callable[..., VariationalObjective]:
        return lambda networks, config, **engine: VariationalObjective(
            networks["latent_encoder"],
            networks["generator"],
            config.objective,
            config.architecture.latent_dim,
            **engine,
        )

    def _scores(self, images: Tensor, conditions: Tensor) -> Tensor:
        latent_dim = self.config_.objective.latent_dim
        prior = self.generator_.prior
        return evidence(self.latent_encoder_, self.generator_, images, conditions, latent_dim, prior=prior)

    @classmethod
    def _networks(cls, architecture: ImageVAEArchitecture) -> dict[str, nn.Module]:
        return dict(zip(cls.network_names, build_vae_networks(architecture), strict=True))
