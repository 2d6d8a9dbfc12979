"""Which generators there are: by name, by import path, and by what the folder of a saved one says.

Those of this package are listed here; other packages register theirs as entry points of the group
``ganaug.generators``, in their ``pyproject.toml``::

    [project.entry-points."ganaug.generators"]
    table-forest = "their_package.forests:TableForest"

Names that begin with ``image-`` or ``table-`` have a short form where the kind is known: "gan" is "image-gan" where
images are trained on, and "table-gan" where rows are. Entry points are looked for only when a name is asked for.
"""

from __future__ import annotations

import pkgutil
import warnings
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganaug.data.files import user_path
from ganaug.data.installed import entry_points
from ganaug.data.json_values import clip, short
from ganaug.data.labels import listed
from ganaug.data.suggestions import nearest
from ganaug.generators.auto import AUTO, automatic_name
from ganaug.generators.contract import METHODS, check_generator, takes
from ganaug.generators.model_folder import kind_of, read_config

if TYPE_CHECKING:
    import torch

__all__ = ["generator_class", "generator_names", "load"]

GROUP = "ganaug.generators"
OWN = {
    "image-flow": "ganaug.generators.images.flow:ImageFlow",
    "image-gan": "ganaug.generators.images.gan:ImageGAN",
    "image-vae": "ganaug.generators.images.vae:ImageVAE",
    "table-autoregressive": "ganaug.generators.tables.autoregressive:TableAutoregressive",
    "table-copula": "ganaug.generators.tables.copula:TableCopula",
    "table-flow": "ganaug.generators.tables.flow:TableFlow",
    "table-gan": "ganaug.generators.tables.gan:TableGAN",
    "table-vae": "ganaug.generators.tables.vae:TableVAE",
}
PREFIXES = {"images": "image-", "rows": "table-"}


def generator_names(kind: str | None = None) -> list[str]:
    """Names of the registered generators, without importing any.

    Parameters
    ----------
    kind : {"images", "rows"}, optional
        Leave out those whose names say that they draw another kind of samples.

    Examples
    --------
    >>> {"image-gan", "table-gan"} <= set(generator_names()), "table-gan" in generator_names("images")
    (True, False)
    """
    others = tuple(prefix for of_kind, prefix in PREFIXES.items() if kind not in (None, of_kind))
    return [name for name in _registered() if not name.startswith(others)]


def generator_class(generator: str | type, kind: str | None = None) -> type:
    """Find the class that a name stands for.

    Parameters
    ----------
    generator : str or type
        A registered name such as "image-gan", without its prefix where `kind` is given ("gan"), the name of a
        registered class ("ImageGAN"), the import path of any other ("package.module.Class"), or the class itself.
        "auto" stands for what :mod:`ganaug.generators.auto` says of the kind.
    kind : {"images", "rows"}, optional
        What it must draw.

    Returns
    -------
    type
        With ``fit`` and ``sample``.

    Raises
    ------
    ValueError
        For a name that is not known, with the nearest one, that several packages have registered, whose class cannot be
        imported, or that draws something else.
    TypeError
        For what is no class of generators.

    Examples
    --------
    >>> generator_class("gan", "images").__name__, generator_class("TableGAN").__name__
    ('ImageGAN', 'TableGAN')
    >>> generator_class("image-gun")
    Traceback (most recent call last):
    ...
    ValueError: there is no generator 'image-gun'; did you mean 'image-gan'?
    """
    cls = generator
    if isinstance(generator, str):
        generator = automatic_name(kind) if generator == AUTO else generator
        found = _named(generator, kind)
        cls = _imported(generator, kind) if not found else _loaded(_only(generator, found))
    return _checked(cls, f"generator {short(generator)}" if isinstance(generator, str) else "generator", kind)


def load(path: str | Path, *, device: str | torch.device = "auto", generator: str | type | None = None) -> Any:
    """Read a saved generator, whatever its class.

    A folder says of which class it is by name only, and only names that this package or an installed one has registered
    are followed: nothing is imported because a folder, which may be of others, asks for it.

    Parameters
    ----------
    path : path-like
        A folder written by ``save`` or 'ganaug fit'.
    device : str
        Where the networks are put.
    generator : str or type, optional
        Its class, as for :func:`generator_class`, where no installed package has registered that.

    Returns
    -------
    Generator
        Fitted; ``sample_spec_`` says what it draws.

    Raises
    ------
    ValueError
        For a folder that is missing, damaged, foreign, written in another format, or of a class that is not known.

    Examples
    --------
    >>> import tempfile
    >>> from ganaug import ImageGAN, labelled_images
    >>> digits = labelled_images("digits").subset(range(60))
    >>> gan = ImageGAN(steps=2, random_state=0, device="cpu", verbose=False).fit(digits)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     load(gan.save(folder), device="cpu").sample_spec_
    SampleSpec(kind='images', shape=(1, 8, 8), dtype='uint8')
    """
    cls: Any = _class_of(path) if generator is None else generator_class(generator)
    if not user_path(path).exists():
        read_config(path, cls.__name__)  # says what is wrong with the folder
    read = getattr(cls, "load", None)
    if not callable(read):
        raise ValueError(f"{path} cannot be read: {cls.__name__} has no load; pass another generator")
    options = {"device": device} if takes(read, "device") else {}
    if not options and str(device) not in ("auto", "cpu"):
        raise ValueError(f"{cls.__name__} has no choice of a device, got device {str(device)!r}; leave it out")
    gan = read(path, **options)
    check_generator(gan, f"what {cls.__name__}.load reads")
    return gan


def _class_of(path: str | Path) -> type:
    """Class of a saved generator, by the name in its configuration, which is never imported."""
    kind = kind_of(path)
    if not kind:
        read_config(path, "generator")  # says what is wrong with the folder
    found = _classes(kind)
    if not found:
        known = [_class_name(entry) for entries in _registered().values() for entry in entries]
        raise ValueError(
            f"{path} holds a {clip(kind)}, which this ganaug does not know; it can load {listed(known)}, and others by "
            "their class or its import path as generator"
        )
    return _checked(_loaded(_only(kind, found)), f"generator {kind}")


def _checked(thing: Any, called: str, kind: str | None = None) -> type:
    """The class, unless it is none of generators, or one of those that say by ``sample_kind`` that they draw others."""
    lacking = [name for name in METHODS if not callable(getattr(thing, name, None))]
    if not isinstance(thing, type) or lacking:
        found = getattr(thing, "__name__", type(thing).__name__)
        without = f" without {' and '.join(lacking)}" if lacking else ""
        raise TypeError(f"{called} must be a class of generators, got {found}{without}; pass another class")
    draws = getattr(thing, "sample_kind", None)
    if kind is not None and draws not in (kind, None):
        raise ValueError(f"{called} must draw {kind}, and {thing.__name__} draws {draws}; pass another generator")
    return thing


def _registered() -> dict[str, list[EntryPoint]]:
    """Entry points by name; the first is that of this package, where it has one of the name."""
    found = {name: [EntryPoint(name, value, GROUP)] for name, value in OWN.items()}
    for entry in _of_packages():
        same = found.setdefault(entry.name, [])
        if entry.value not in [other.value for other in same]:
            same.append(entry)
    return found


def _of_packages() -> list[EntryPoint]:
    try:
        return sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, _package(entry)))
    except Exception as error:  # a single package whose list is malformed is enough
        warnings.warn(
            f"the entry points of installed packages cannot be read ({clip(str(error), 200)}), so that only the "
            "generators of ganaug itself are known; repair or uninstall the package",
            stacklevel=2,
        )
        return []


def _named(name: str, kind: str | None) -> list[EntryPoint]:
    entries = _registered()
    prefixes = PREFIXES.values() if kind is None else [PREFIXES[kind]]
    for names in ([f"{prefix}{name}" for prefix in prefixes], [name]):
        if found := [entry for known in names for entry in entries.get(known, ())]:
            return found
    return _classes(name)


def _classes(name: str) -> list[EntryPoint]:
    return [entry for entries in _registered().values() for entry in entries if _class_name(entry) == name]


def _class_name(entry: EntryPoint) -> str:
    """Name of its class, also of an entry point that cannot be read."""
    return entry.value.partition(":")[2].partition("[")[0].strip().rpartition(".")[2]


def _only(name: str, found: list[EntryPoint]) -> EntryPoint:
    """The one that a name stands for; this package's own names cannot be taken by others."""
    if len({entry.value for entry in found}) == 1:
        return found[0]
    own = [entry for entry in found if entry.value in OWN.values()]
    if len(own) == 1:
        other = next(entry for entry in found if entry is not own[0])
        warnings.warn(
            f"{name!r} stands for ganaug's own generator, not for {other.value}, which {_package(other)} registers "
            "under the same name; name that by its import path",
            stacklevel=4,
        )
        return own[0]
    each = listed([f"{entry.name} of {_package(entry)} ({entry.value})" for entry in found])
    raise ValueError(f"the generator {name!r} may be {each}; name one of them alone or by its import path")


def _package(entry: EntryPoint) -> str:
    return "ganaug" if entry.dist is None else entry.dist.name


def _loaded(entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except Exception as error:  # whatever the code of others does when it is imported
        reason = clip(str(error) or type(error).__name__, 200)
        raise ValueError(
            f"the generator {entry.name!r}, which {_package(entry)} registers as {short(entry.value)}, cannot be "
            f"imported ({reason}); repair or uninstall that package"
        ) from error


def _imported(target: str, kind: str | None) -> Any:
    """A class by its import path, which the caller, never a file, names."""
    parts = target.replace(":", ".").split(".")
    if len(parts) < 2 or not all(part.isidentifier() for part in parts):
        raise ValueError(f"there is no generator {short(target)}{nearest(target, generator_names(kind))}")
    try:
        return pkgutil.resolve_name(target)
    except Exception as error:
        reason = clip(str(error) or type(error).__name__, 200)
        raise ValueError(f"cannot import the generator {short(target)}: {reason}") from error
