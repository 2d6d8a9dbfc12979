"""To and from a model hub: the three files of a saved model as a repository, by ``huggingface_hub``."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ganaug._version import __version__
from ganaug.generators.model_folder import CONFIG, WEIGHTS, read_config

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = ["download", "upload"]


def download(repo_id: str, kind: str, *, revision: str | None, token: str | bool | None) -> Path:
    """Fetch a model into the cache that ``huggingface_hub`` keeps, unless it is there.

    The weights are fetched only after the configuration was found to be that of such a model, and at the same commit.

    Parameters
    ----------
    repo_id : str
    kind : str
        Name of the class that is to load it.
    revision : str or None
        Branch, tag or commit; None for the default branch.
    token : str, bool or None
        As ``huggingface_hub`` takes it.

    Returns
    -------
    Path
        A folder with ``config.json`` and ``model.safetensors``.

    Raises
    ------
    ValueError
        Where there is no such repository, revision, network or model.
    """
    hub = _hub(token)
    with _failures_in_one_sentence(repo_id, revision):
        folder = Path(hub.hf_hub_download(repo_id, CONFIG, revision=revision)).parent
    read_config(folder, kind, called=f"repository {repo_id!r}")
    with _failures_in_one_sentence(repo_id, revision):
        return Path(hub.hf_hub_download(repo_id, WEIGHTS, revision=folder.name)).parent


def upload(
    write: Callable[[Path, str], None],
    repo_id: str,
    *,
    private: bool | None,
    token: str | bool | None,
    revision: str | None,
    commit_message: str,
) -> str:
    """Make a repository unless it is there, and commit a model to it.

    Parameters
    ----------
    write : callable
        Saves the model to a folder, given that and the full name of the repository.
    repo_id, private, token, revision, commit_message
        As ``huggingface_hub`` takes them; the branch `revision` is made if need be.

    Returns
    -------
    str
        Address of the commit.

    Raises
    ------
    ValueError
        Where there is no permission, no network, or the hub refuses what it is sent.
    """
    hub = _hub(token)
    with tempfile.TemporaryDirectory() as folder, _failures_in_one_sentence(repo_id, revision):
        write(Path(folder), repo_id)  # what cannot be saved makes no repository
        name = hub.create_repo(repo_id, private=private, exist_ok=True).repo_id
        if name != repo_id:
            write(Path(folder), name)
        if revision is not None:
            hub.create_branch(name, branch=revision, exist_ok=True)
        done = hub.upload_folder(repo_id=name, folder_path=folder, commit_message=commit_message, revision=revision)
        return done.commit_url


def _hub(token: str | bool | None) -> HfApi:
    from huggingface_hub import HfApi

    return HfApi(token=token, library_name="ganaug", library_version=__version__)


@contextlib.contextmanager
def _failures_in_one_sentence(repo_id: str, revision: str | None) -> Iterator[None]:
    """Turn what ``huggingface_hub`` raises into one sentence."""
    from huggingface_hub import errors

    repository = f"repository {repo_id!r}"
    try:
        yield
    except errors.HFValidationError:
        reason = f"{repo_id!r} is neither a folder nor the name of a repository such as 'user/digits'"
    except errors.GatedRepoError:
        reason = f"{repository} is gated; ask its owner for access, and pass your token"
    except errors.RepositoryNotFoundError:
        reason = f"{repository} does not exist or is private; check the name, or pass a token that may read it"
    except errors.RevisionNotFoundError:
        reason = f"{repository} has no revision {revision!r}; pass a branch, tag or commit that it has"
    except errors.LocalEntryNotFoundError:
        reason = f"{repository} is not in the cache and the hub cannot be reached; check the connection"
    except errors.EntryNotFoundError:
        reason = f"{repository} is not a saved ganaug model: it lacks {CONFIG} or {WEIGHTS}; pass another one"
    except errors.HfHubHTTPError as error:
        reason = f"the hub refused {repository} ({_line(error)}); check the name and the token"
    except (errors.HTTPError, errors.OfflineModeIsEnabled) as error:
        reason = f"the hub cannot be reached for {repository} ({_line(error)}); check the connection"
    except ValueError as error:
        reason = _line(error)
    else:
        return
    raise ValueError(reason)


def _line(error: Exception) -> str:
    """A message, which may have many lines, on one."""
    return " ".join(str(error).split()) or type(error).__name__
