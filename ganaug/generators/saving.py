"""Saving, loading, uploading and pickling of generators of networks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from ganaug.data.files import user_path
from ganaug.data.host_states import plain_states
from ganaug.data.json_values import clip
from ganaug.engine.devices import resolve_device
from ganaug.engine.distributed import current_context
from ganaug.engine.nested_params import NestedDefaults
from ganaug.engine.run_options import RunOptions
from ganaug.generators.card import NO_LICENSE, check_facts, model_card
from ganaug.generators.hub import download, upload
from ganaug.generators.model_config import config_of, model_of, networks_of, weights_of
from ganaug.generators.model_folder import check_folder, read_bundle, write_bundle

__all__ = ["SavedNetworks"]


class SavedNetworks(NestedDefaults):
    """Base of fitted estimators that are kept as the weights of their networks and JSON values.

    It asks of them ``network_names``, with an attribute for each name and an underscore, a parameter ``run``, what
    :func:`config_of` reads, and :meth:`_restore`.
    """

    network_names: ClassVar[tuple[str, ...]]
    config_: Any
    license_: str
    figures_: dict[str, float]
    run: RunOptions | None

    def _description(self) -> dict[str, Any]:
        """JSON values from which :meth:`_restore` can build the networks."""
        return self.config_.to_dict()

    def _restore(self, description: dict[str, Any]) -> Callable[[], dict[str, nn.Module]]:
        """Set the subclass's fitted attributes, and return what builds its networks by name, with any weights."""
        raise NotImplementedError

    def _writes(self) -> bool:
        """Whether this is the first of the processes that trained together."""
        return current_context(RunOptions.checked(self.run).distributed).first

    def _keep(self, networks: Mapping[str, nn.Module]) -> None:
        for name, network in networks.items():
            setattr(self, f"{name}_", network.requires_grad_(False).eval())

    @property
    def networks_(self) -> dict[str, nn.Module]:
        """The networks that are kept, by name."""
        check_is_fitted(self)
        return {name: getattr(self, f"{name}_") for name in self.network_names}

    @property
    def device_(self) -> torch.device:
        """Where the networks are."""
        return next(next(iter(self.networks_.values())).parameters()).device

    @plain_states()
    def tensors(self) -> dict[str, Tensor]:
        """All weights by name, as :meth:`save` writes them."""
        return weights_of(self.networks_)

    @plain_states()
    def save(
        self,
        path: str | Path,
        *,
        license: str | None = None,
        figures: Mapping[str, float] | None = None,
        overwrite: bool = True,
    ) -> Path:
        """Write the fitted generator to a folder: ``config.json``, ``model.safetensors`` and a card, ``README.md``.

        The card says what the model is, what it was trained on, and what it is not for; `load` does not read it, and
        finds license and figures in ``config.json``. A ``README.md`` of other origin stays as it is, with a warning.
        ``device`` and the options of ``run`` are not written, but for ``health``, ``validation_fraction`` and
        ``precision``, and those in a folder of another origin are not used. Of several processes that trained it
        together only the first writes.

        Parameters
        ----------
        path : path-like
            The folder, made if need be. Other files in it are left as they are.
        license : str, optional
            Of the model, by the identifier that model hubs use, such as "apache-2.0". By default that of the model that
            was loaded, or "unknown".
        figures : mapping of str to float, optional
            What was measured, such as ``overall`` of a quality report, for the card. By default those of the model that
            was loaded; {} for none.
        overwrite : bool, default=True
            Whether a model of ganaug's that is there is replaced.

        Returns
        -------
        Path
            The folder.

        Raises
        ------
        ValueError
            For a file, a folder with a ``config.json`` of another origin or with a ``model.safetensors`` but none, and
            with ``overwrite=False`` for one with a model.
        """
        facts = self._facts(license, figures)
        if self._writes():
            check_folder(user_path(path), overwrite=overwrite, beside_others=True)
            self._write(path, *facts)
        return user_path(path)

    def _facts(self, license: str | None, figures: Mapping[str, float] | None) -> tuple[str, Mapping[str, float]]:
        """License and figures for the card, checked; where they are not given, those that the model was loaded with."""
        check_is_fitted(self)
        facts = (
            getattr(self, "license_", NO_LICENSE) if license is None else license,
            getattr(self, "figures_", {}) if figures is None else figures,
        )
        check_facts(*facts)
        return facts

    def _write(self, path: str | Path, license: str, figures: Mapping[str, float], *source: str) -> None:
        config = config_of(self, license, figures)
        write_bundle(path, type(self).__name__, config, self.tensors(), model_card(self, license, figures, *source))

    @classmethod
    @plain_states()
    def load(cls, path: str | Path, *, device: str | torch.device = "auto") -> Self:
        """Read a generator written by :meth:`save`.

        Parameters
        ----------
        path : path-like
        device : str
            Where the networks are put.

        Returns
        -------
        NeuralGenerator
            Of the class it is called on, fitted.

        Raises
        ------
        ValueError
            For a folder that is missing, damaged, foreign, or written in another format.
        """
        target = resolve_device(device)
        config, tensors = read_bundle(path, cls.__name__)
        try:
            model, build = model_of(cls, config, {} if device == "auto" else {"device": device})
            networks = networks_of(build, tensors)
            model._keep({name: network.to(target) for name, network in networks.items()})
        except (LookupError, ArithmeticError, ValueError, TypeError, RuntimeError, AttributeError) as error:
            reason = clip(str(error) or type(error).__name__, 200)
            raise ValueError(
                f"{path} is damaged: config.json and the weights do not describe a {cls.__name__} ({reason}); "
                "fit and save the model again"
            ) from None
        return model

    @classmethod
    def from_pretrained(
        cls,
        path_or_repo_id: str | Path,
        *,
        revision: str | None = None,
        device: str | torch.device = "auto",
        token: str | bool | None = None,
    ) -> Self:
        """Read a generator from a folder or from a model hub.

        Parameters
        ----------
        path_or_repo_id : path-like
            A folder written by :meth:`save`, or the name of a repository filled by :meth:`push_to_hub`, such as
            "user/digits". What is downloaded stays in the cache of ``huggingface_hub``, and is read from there without
            a network.
        revision : str, optional
            Branch, tag or commit of a repository.
        device : str
            Where the networks are put.
        token : str or bool, optional
            For a repository that is not public; by default that of ``hf auth login``.

        Returns
        -------
        NeuralGenerator
            Of the class it is called on, fitted.

        Raises
        ------
        ValueError
            As :meth:`load`; and where there is no such repository or revision, or no network.

        Examples
        --------
        >>> import tempfile
        >>> from ganaug import ImageGAN, labelled_images
        >>> digits = labelled_images("digits").subset(range(60))
        >>> gan = ImageGAN(steps=2, random_state=0, device="cpu", verbose=False).fit(digits)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     same = ImageGAN.from_pretrained(gan.save(folder, license="cc0-1.0"), device="cpu")
        >>> bool((same.sample([3], random_state=0) == gan.sample([3], random_state=0)).all())
        True
        """
        if not user_path(path_or_repo_id).is_dir():
            path_or_repo_id = download(str(path_or_repo_id), cls.__name__, revision=revision, token=token)
        return cls.load(path_or_repo_id, device=device)

    @plain_states()
    def push_to_hub(
        self,
        repo_id: str,
        *,
        license: str | None = None,
        figures: Mapping[str, float] | None = None,
        private: bool | None = None,
        token: str | bool | None = None,
        revision: str | None = None,
        commit_message: str = "A generator by ganaug",
    ) -> str | None:
        """Upload the fitted generator to a model hub: what :meth:`save` writes, and nothing else.

        The card describes the training data; for tables, by values of each column. Of several processes that
        trained it together only the first uploads.

        Parameters
        ----------
        repo_id : str
            Name of the repository, such as "user/digits"; made if need be.
        license, figures
            For the card, as for :meth:`save`.
        private : bool, optional
            Whether a new repository is private; by default what the account is set to.
        token : str or bool, optional
            One that may write; by default that of ``hf auth login``.
        revision : str, optional
            Branch to commit to, made if need be; by default the main one.
        commit_message : str

        Returns
        -------
        str or None
            Address of the commit; None in the other processes.

        Raises
        ------
        ValueError
            Where there is no permission or no network, or the hub refuses the card.
        """
        facts = self._facts(license, figures)
        if not self._writes():
            return None
        return upload(
            lambda folder, name: self._write(folder, *facts, name),
            repo_id,
            private=private,
            token=token,
            revision=revision,
            commit_message=commit_message,
        )

    @plain_states()
    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        for name in (f"{part}_" for part in self.network_names):
            if name in state and any(tensor.device.type != "cpu" for tensor in state[name].state_dict().values()):
                # Plain data travels between machines: weights leave the GPU in the copy only. Without need there is no
                # copy, for worker processes are given tensors that must be there until they have started.
                state[name] = copy.deepcopy(state[name]).cpu()
        return state
