"""A class-conditional GAN for images."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor, nn

from ganaug.data import LabelledImages, labelled_images
from ganaug.data.host_states import plain_states
from ganaug.engine.devices import random_generator, resolve_device
from ganaug.engine.distributed import current_context
from ganaug.engine.transfer import Rows
from ganaug.generators.contract import SampleSpec, check_metadata
from ganaug.generators.fitting import ENGINE_CONSTRAINTS, TrainingData
from ganaug.generators.images.drawing import tensor_grid
from ganaug.generators.images.networks import build_networks
from ganaug.generators.images.presets import PRESETS, ImageGANConfig, resolve_image_config
from ganaug.generators.images.sampling import ImageSampling
from ganaug.generators.pseudo_labels import guessed_indices, labelled_part
from ganaug.objectives.adversarial.augment import OPERATIONS, ImageAugmentation

__all__ = ["ImageGAN"]


class ImageGAN(ImageSampling):
    """Class-conditional GAN for small images.

    Learns to draw images of each class from few examples. Any size from 8x8 to 128x128, square or not, and any
    number of channels.

    Parameters
    ----------
    preset : {"auto", "tiny", "small", "base"}, default="auto"
        Size of the networks and length of the training. "tiny" is made for a CPU, "small" for a GPU, "base" for
        a GPU and 5,000 images or more. "auto" takes "tiny" on a CPU and otherwise chooses by the size and number of
        images; of a run in `checkpoint_dir` it takes what that was begun with, on whatever device.
    steps : int or "auto", default="auto"
        Updates of generator and discriminator.
    batch_size : int or "auto", default="auto"
        Real images per step; as many are generated. "auto" takes that of the preset and, on a GPU whose memory it does
        not fit into, half of it, a quarter and so on; this is tried out before training starts.
    learning_rate : float or "auto", default="auto"
        Of both networks at the start of a cosine schedule that ends at a tenth of it.
    gamma : float or "auto", default="auto"
        Weight of the gradient penalty (R1 + R2) / 2 at the start; falls to a tenth.
    augment : "auto" or sequence of str, default="auto"
        What the discriminator sees is changed at random by these operations, real and generated images alike:
        "translation", "cutout", "color", "hflip". "auto" takes translation and cutout, and colour for three channels;
        never flips, which would be wrong for digits, text or left and right hands.
    augment_p : float in [0, 1) or "auto", default="auto"
        Probability of each of these operations for each image. "auto" takes more the fewer images a class has.
    label_temperature : float in [0, 1], default=0.0
        0 shows every class equally often in training, 1 as often as it occurs.
    precision : {"auto", "fp32", "bf16"}, default="auto"
        What the networks compute in while they are trained: bfloat16 nearly halves the time on a processor that has
        it. "auto" takes it on CPUs with AVX512-BF16 or AMX and on NVIDIA's GPUs from Ampere on, and of a run in
        `checkpoint_dir` what that was begun in.
        Weights, losses and penalties are float32 in any case, and so are samples drawn from the trained generator.
    pseudo_label_confidence : float in (0, 1] or None, default=0.9
        Images labelled -1 get the class that label spreading over nearest neighbours of pixels (Zhou et al., NeurIPS
        2003) gives at least this probability; None gives none of them a class.
    device : str, default="auto"
        "cpu", "cuda", "cuda:N" or "mps"; "auto" takes CUDA, else MPS, else the CPU.
    random_state : int, RandomState, Generator or None, default=None
        Source of all randomness; the global states are neither read nor changed. On a CPU the same integer gives the
        same weights bit for bit; on a GPU sums are rounded in an order that may change.
    verbose : bool or "auto", default="auto"
        Progress bar with rate and time left; "auto" shows it on a terminal.
    log_dir : path-like or None, default=None
        Folder for ``metrics.jsonl`` and, where the package ``tensorboard`` is installed, TensorBoard scalars and
        sample grids.
    checkpoint_dir : path-like or None, default=None
        Folder for checkpoints. If it holds an unfinished run with the same parameters and data, `fit` goes on with it,
        on a CPU to the same weights bit for bit as if it had never stopped; a finished one is taken as it is, without
        training. SIGINT and SIGTERM then wait for the step at hand and a checkpoint. See the notes.
    checkpoint_every : int or "auto", default="auto"
        Steps between two checkpoints; "auto" writes one a minute or, where that would take more than a fiftieth of the
        time, less often. One is written at the end in any case, and the last three are kept.
    resume : bool, default=True
        False refuses a `checkpoint_dir` that holds a run already, in place of going on with it.
    health : {"report", "adapt"}, default="report"
        What is done about a training that goes wrong though its losses are finite: a discriminator that has nothing
        left to learn, samples of a class that are all alike, or that come near to copies of training samples. Both
        keep it in `health_` and tell it in the log; "adapt" also changes the training, by more augmentation or a lower
        learning rate, and by a larger gradient penalty where samples are alike.
    validation_fraction : float in [0, 1), default=0.0
        Share of the images of each class that is not trained on, but used to choose among the moving averages of the
        training: that whose samples of the classes are nearest to them, by energy distance. 0 trains on all and takes
        the last.
    distributed : bool, default=False
        Train in all processes that ``torchrun`` started, or that share an initialised ``torch.distributed``. Each calls
        `fit` with the same data and parameters, takes its share of every batch and ends with the same networks: those
        that one process would have ended with, up to rounding. Only the first reports and writes files.
    cuda_graph : bool, default=True
        On a GPU, record the many small operations of a training step once and start all of them at a time from then on;
        several processes, and other devices, do without. False takes them one by one, to the same effect, more slowly.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels as they were given, sorted.
    class_names_ : dict
        Display names of classes, where the source had any.
    image_shape_ : tuple of int
        Channels, height, width.
    sample_spec_ : SampleSpec
        Kind, shape and dtype of what is drawn.
    config_ : ImageGANConfig
        What the "auto" values became.
    history_ : list of dict
        A reading of the losses every 50 steps.
    health_ : list of dict
        What went wrong in the training: "finding", "step", "class", "value", "threshold" and the "action" taken.
    validation_ : list of dict
        Where `validation_fraction` is not 0, "step", "score" and those of the "classes" of twenty readings; the best,
        which was taken, has the lowest score.
    generator_, discriminator_ : Module
        The trained networks; the generator holds the moving average of its weights.

    See Also
    --------
    ganaug.labelled_images : Everything that `fit` reads images from.

    Notes
    -----
    A checkpoint holds networks, moving average, optimisers, schedules, the state to go back to and that of the random
    numbers. Each is one file, renamed into place when it is on the disk; its checksum is compared when it is read, and
    a damaged one is passed over with a warning for the one before. If other parameters or data are passed than those
    the run was started with, `fit` raises ``ValueError`` and names them; where ``random_state=None``, the run goes on
    with the seed it has. To train anew, choose another folder or delete this one. A checkpoint, or a log, that cannot
    be written, to a disk that is full for example, is a warning and does not end the training.

    References
    ----------
    Huang et al., "The GAN is dead; long live the GAN! A Modern GAN Baseline", NeurIPS 2024.

    Examples
    --------
    >>> from ganaug import ImageGAN, labelled_images
    >>> digits = labelled_images("digits").subset(range(200))
    >>> gan = ImageGAN(steps=5, random_state=0, device="cpu", verbose=False).fit(digits)
    >>> images = gan.sample([3, 3, 8], random_state=1)
    >>> images.shape, images.dtype
    (torch.Size([3, 1, 8, 8]), torch.uint8)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "preset": [StrOptions({"auto", *PRESETS})],
        "steps": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "learning_rate": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "gamma": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "augment": [StrOptions({"auto"}), "array-like", tuple],
        "augment_p": [Interval(Real, 0, 1, closed="left"), StrOptions({"auto"})],
        "label_temperature": [Interval(Real, 0, 1, closed="both")],
        "precision": [StrOptions({"auto", "fp32", "bf16"})],
        "pseudo_label_confidence": [Interval(Real, 0, 1, closed="right"), None],
        **ENGINE_CONSTRAINTS,
    }

    def __init__(
        self,
        *,
        preset: str = "auto",
        steps: Any = "auto",
        batch_size: Any = "auto",
        learning_rate: Any = "auto",
        gamma: Any = "auto",
        augment: Any = "auto",
        augment_p: Any = "auto",
        label_temperature: float = 0.0,
        precision: str = "auto",
        pseudo_label_confidence: float | None = 0.9,
        device: Any = "auto",
        random_state: Any = None,
        verbose: Any = "auto",
        log_dir: Any = None,
        checkpoint_dir: Any = None,
        checkpoint_every: Any = "auto",
        resume: bool = True,
        health: str = "report",
        validation_fraction: float = 0.0,
        distributed: bool = False,
        cuda_graph: bool = True,
    ) -> None:
        self.preset = preset
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.gamma = gamma
        self.augment = augment
        self.augment_p = augment_p
        self.label_temperature = label_temperature
        self.precision = precision
        self.pseudo_label_confidence = pseudo_label_confidence
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.log_dir = log_dir
        self.checkpoint_dir = checkpoint_dir
        self.checkpoint_every = checkpoint_every
        self.resume = resume
        self.health = health
        self.validation_fraction = validation_fraction
        self.distributed = distributed
        self.cuda_graph = cuda_graph

    def resolve(self, X: Any, y: Any = None) -> ImageGANConfig:
        """Check parameters and images, and return what `fit` would train, without training it.

        Parameters
        ----------
        X, y
            As for :meth:`fit`.

        Returns
        -------
        ImageGANConfig
        """
        data = labelled_images(X, y)
        return self._resolve(labelled_part(data), len(data))

    def _resolve(self, data: LabelledImages, n_images: int, **changed: Any) -> ImageGANConfig:
        self._validate_params()
        if not isinstance(self.augment, str):
            unknown = [name for name in self.augment if name not in OPERATIONS]
            if unknown:
                raise ValueError(f"augment knows {sorted(OPERATIONS)}, got {unknown}; leave those out")
            if len(set(self.augment)) < len(self.augment):
                raise ValueError(f"augment must not repeat itself, got {list(self.augment)}; name each operation once")
        counts = np.unique(data.labels, return_counts=True)[1]
        shares = counts + (n_images - len(data)) / len(counts)  # what has no label is spread over the classes
        params = {**self.get_params(), **changed}
        return resolve_image_config(params, data.image_shape, shares, resolve_device(self.device))

    @plain_states()
    def fit(self, X: Any, y: Any = None, *, metadata: dict[str, Any] | None = None) -> ImageGAN:
        """Train on labelled images.

        Parameters
        ----------
        X : array, Tensor, dataset, LabelledImages, str or path-like
            Images of one size: a numpy array (n, height, width[, channels]) or torch tensor (n, channels, height,
            width), uint8 or floating point in [0, 1]; or any other source that :func:`ganaug.labelled_images` reads,
            which carries its own labels.
        y : array-like of shape (n,), optional
            Class labels beside an array or a tensor: integers, strings or booleans; at least two classes of two images.
            -1 marks images without a label, as in scikit-learn. They are trained on too: with the class that is guessed
            for them, where the guess is sure enough, and otherwise without one, for what images look like in general.
        metadata : dict of str to str, number or bool, optional
            Facts about the images to keep in ``training_data_``.

        Returns
        -------
        ImageGAN
            Itself, fitted.

        Raises
        ------
        ValueError, TypeError
            For bad input, before any training.
        TrainingDiverged
            If the losses do not stay finite after three attempts with lower learning rates.
        OutOfMemory
            If memory runs out; says which batch size would fit.
        """
        facts = check_metadata(metadata)
        data = labelled_images(X, y)
        known = labelled_part(data)
        config = self._resolve(known, len(data))
        processes = current_context(self.distributed)
        device = processes.place(resolve_device(self.device))
        randomness = random_generator(self.random_state, "fit")

        classes = known.classes
        indices, guessed = guessed_indices(data, known, self.pseudo_label_confidence, randomness.initial_seed() % 2**32)
        about = {"n_images": len(data), "sha256": data.fingerprint(), **guessed}
        pixels = Rows(torch.from_numpy(data.images), device)

        def real_images(chosen: Tensor) -> Tensor:
            return pixels[chosen].float() / 127.5 - 1

        names = [data.name(label) for label in classes]
        material = TrainingData(
            networks=build_networks(config.architecture),
            training_data=about,
            class_indices=indices,
            class_names=names,
            real_samples=real_images,
            augment=ImageAugmentation(config.operations, data.image_shape, randomness, processes),
            randomness=randomness,
            processes=processes,
            changed=lambda **values: self._resolve(known, len(data), **values),
            sample_grid=lambda averages: tensor_grid(averages["generator"], names),
            presets=tuple(PRESETS),
            rebuilt=lambda config: build_networks(config.architecture),
        )
        self.config_ = self._train(config, material)
        self.training_data_ |= facts
        self.classes_ = classes
        self.class_names_ = dict(data.class_names)
        self._set_shape(data.image_shape)
        return self

    def _set_shape(self, shape: tuple[int, int, int]) -> None:
        self.image_shape_ = shape
        self.sample_spec_ = SampleSpec(self.sample_kind, shape, "uint8")

    def _description(self) -> dict[str, Any]:
        return self.config_.to_dict()

    def _restore(self, description: dict[str, Any]) -> Callable[[], tuple[nn.Module, nn.Module]]:
        self.config_ = ImageGANConfig.from_dict(description)
        self._set_shape(self.config_.architecture.image_shape)
        return partial(build_networks, self.config_.architecture)
