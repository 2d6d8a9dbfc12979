"""How a folder per class is laid out: which files belong to which class, and whether its folders are classes at all."""

from __future__ import annotations

import functools
import os
import re
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from ganaug.data.images.decoding import FORMATS
from ganaug.data.labels import listed

__all__ = [
    "IMAGES",
    "ClassFolder",
    "FileKind",
    "check_all_read",
    "check_layout",
    "class_folders",
    "seems_image",
    "warn_of_skipped",
]

# Tables beside images that describe them, as the package datasets reads them.
METADATA = frozenset({"metadata.csv", "metadata.jsonl", "metadata.parquet"})
# What file managers leave in any folder.
OF_THE_SYSTEM = frozenset(
    {".ds_store", ".localized", ".directory", "__macosx", "desktop.ini", "ehthumbs.db", "thumbs.db"}
)
OF_A_SPLIT = r"(set|split|data|images|imgs)?s?\d*"
TRAIN = re.compile(rf"train(ing)?{OF_A_SPLIT}")
HELD_OUT = re.compile(rf"(test(ing)?|val|valid(ation)?|dev|eval(uation)?|holdout|unlabell?ed){OF_A_SPLIT}")


@dataclass
class ClassFolder:
    """What is below one folder.

    Attributes
    ----------
    path : Path
    files : list of Path
        Regular files, in torchvision's order: that of the folders' paths, then of the files' names.
    others : list of (Path, str)
        What cannot be an image, and what it is; without what the system left.
    inner : list of str
        Names of the folders in it that hold files.
    has_own : bool
        Where there are folders in it, whether a file beside them is named like one of the kind that is looked for.
    """

    path: Path
    files: list[Path] = field(default_factory=list)
    others: list[tuple[Path, str]] = field(default_factory=list)
    inner: list[str] = field(default_factory=list)
    has_own: bool = False

    @property
    def nested(self) -> bool:
        """Whether its files all lie in folders inside it."""
        return bool(self.inner) and not self.has_own


@dataclass(frozen=True)
class FileKind:
    """What the files of classes are.

    Attributes
    ----------
    name, one : str
        What messages call several of them, and one.
    seems : callable
        Whether a file is named like one.
    expected : str
        What to add where none can be read.
    others : str
        What reads other files.
    """

    name: str
    one: str
    seems: Callable[[Path], bool]
    expected: str
    others: str


def class_folders(root: Path, kind: FileKind) -> tuple[list[ClassFolder], list[Path]]:
    """Find the folders of the classes in a folder, and what lies beside them.

    Parameters
    ----------
    root : Path
    kind : FileKind

    Returns
    -------
    folders : list of ClassFolder
    strays : list of Path
        Files of the kind that belong to no class.

    Raises
    ------
    ValueError
        For what is no folder, one without class folders, and as :func:`check_layout`.
    """
    if not root.is_dir():
        raise ValueError(f"{root} is not a folder; pass a folder that holds one folder of {kind.name} per class")
    inside = [path for path in sorted(root.iterdir()) if not (path.name.startswith(".") or of_the_system(path.name))]
    strays = [path for path in inside if path.is_file() and kind.seems(path)]
    folders = [class_folder(path, kind) for path in inside if path.is_dir()]
    if not folders:
        remedy = (
            f"put the {kind.name} of each class into a folder of their own" if strays else f"it is empty of {kind.name}"
        )
        raise ValueError(f"{root} holds no class folders: {remedy}")
    check_layout(root, folders, kind)
    return folders, strays


def class_folder(path: Path, kind: FileKind) -> ClassFolder:
    """List all that is below a folder; links to folders are followed, except in circles."""
    found = ClassFolder(path)
    folders: dict[str, list[os.DirEntry[str]]] = {}
    _walk(str(path), folders, ())
    inner: set[str] = set()
    for folder in sorted(folders):
        parts = Path(folder).relative_to(path).parts
        if any(map(of_the_system, parts)):
            continue
        hidden = any(part.startswith(".") for part in parts)
        for entry in folders[folder]:
            if of_the_system(entry.name):
                continue
            if hidden or entry.name.startswith("."):
                found.others.append((Path(entry.path), "hidden"))
            elif not entry.is_file():
                found.others.append((Path(entry.path), "no regular file"))
            elif entry.name not in METADATA:
                found.files.append(Path(entry.path))
                inner.update(parts[:1])
    found.inner = sorted(inner)
    own = (entry.name for entry in folders[str(path)])
    found.has_own = bool(inner) and any(kind.seems(Path(name)) for name in own if not name.startswith("."))
    return found


def _walk(folder: str, found: dict[str, list[os.DirEntry[str]]], above: tuple[tuple[int, int], ...]) -> None:
    status = os.stat(folder)
    own = (status.st_dev, status.st_ino)
    if own in above:
        return
    with os.scandir(folder) as entries:
        files = []
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_dir():
                _walk(entry.path, found, (*above, own))
            else:
                files.append(entry)
    found[folder] = files


def of_the_system(name: str) -> bool:
    """Whether a file or folder was left by a file manager and is skipped without a word.

    Examples
    --------
    >>> of_the_system("Thumbs.db"), of_the_system("._cat.jpg"), of_the_system(".cat.jpg")
    (True, True, False)
    """
    return name.startswith("._") or name.lower() in OF_THE_SYSTEM


@functools.cache
def _suffixes() -> frozenset[str]:
    return frozenset(suffix for suffix, kind in Image.registered_extensions().items() if kind in FORMATS)


def seems_image(path: Path) -> bool:
    """Whether a file is named like an image that is read.

    Examples
    --------
    >>> seems_image(Path("cat.JPG")), seems_image(Path("cat.txt"))
    (True, False)
    """
    return path.suffix.lower() in _suffixes()


IMAGES = FileKind(
    "images",
    "image",
    seems_image,
    "add images that Pillow reads, such as PNG, JPEG, WebP or TIFF",
    "sounds are read by labelled_audio and 'ganaug fit audio'",
)


def check_layout(root: Path, folders: list[ClassFolder], kind: FileKind) -> None:
    """Raise ``ValueError`` unless folders can be those of classes.

    A test set is never suggested: where there are splits, the one for training is named, or none.

    Parameters
    ----------
    root : Path
    folders : list of ClassFolder
        In `root`.
    kind : FileKind

    Raises
    ------
    ValueError
        Where folders are splits, where class folders hold splits, and where classes lie one level deeper.
    """
    folders = [folder for folder in folders if folder.files]
    splits = [folder for folder in folders if _is_split(folder.path.name)]
    train = [folder for folder in splits if _is_train(folder.path.name)]
    all_splits = bool(splits) and len(splits) == len(folders) and (len(splits) > 1 or splits[0].nested)
    if all_splits or (len(splits) > 1 and any(folder.nested for folder in train)):
        raise ValueError(
            f"{root} holds {_named('split', [folder.path.name for folder in splits])} in place of one folder per "
            f"class; {_remedy(train, kind)}"
        )
    if len(folders) == 1 and folders[0].nested:
        below = folders[0].path
        check_layout(below, [class_folder(below / name, kind) for name in folders[0].inner], kind)
        raise ValueError(
            f"{root} is one level too high: {below.name}/ holds no {kind.name} but folders of {kind.name} such as "
            f"{folders[0].inner[0]}/; pass {below} instead"
        )
    for folder in folders:
        inside = [name for name in folder.inner if _is_split(name)]
        if len(inside) > 1 and any(map(_is_train, inside)):
            raise ValueError(
                f"the class folder {folder.path.name!r} in {root} holds {_named('split', inside)}, which must not be "
                f"mixed; pass a folder that holds the training {kind.name} alone, in one folder per class"
            )


def _is_train(name: str) -> bool:
    return TRAIN.fullmatch(_plain(name)) is not None


def _is_split(name: str) -> bool:
    return _is_train(name) or HELD_OUT.fullmatch(_plain(name)) is not None


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name.lower())


def _named(what: str, names: list[str]) -> str:
    shown = [f"{name}/" for name in names]
    return f"the {what} {shown[0]}" if len(shown) == 1 else f"the {what}s {', '.join(shown[:-1])} and {shown[-1]}"


def _remedy(train: list[ClassFolder], kind: FileKind) -> str:
    if not train:
        return "none is named as the one to train on; pass a folder that holds that one alone, in one folder per class"
    if train[0].nested:
        return f"pass {train[0].path} to use the {kind.name} for training alone"
    return f"sort the {kind.name} of {train[0].path} into one folder per class, and pass that"


def check_all_read(
    root: Path, folders: list[ClassFolder], labels: Sequence[str], skipped: Sequence[tuple[Path, str]], kind: FileKind
) -> None:
    """Raise ``ValueError`` unless something was read of each class.

    Parameters
    ----------
    root : Path
    folders : list of ClassFolder
    labels : sequence of str
        Names of the folders of all files that were read.
    skipped : sequence of (Path, str)
        Files that were not, and what they are.
    kind : FileKind
    """
    if not labels:
        raise ValueError(
            f"{root} holds no readable {kind.name} ({len(skipped)} unreadable) in its {len(folders)} folders; "
            f"{kind.expected} ({kind.others})"
        )
    there = set(labels)
    empty = next((folder for folder in folders if folder.path.name not in there), None)
    if empty is not None:
        raise ValueError(
            f"the class folder {empty.path.name!r} in {root} holds no readable {kind.one}; {kind.expected}, or remove "
            "the folder"
        )


def warn_of_skipped(root: Path, skipped: Sequence[tuple[Path, str]], n_read: int, kind: FileKind) -> None:
    """Say in a ``UserWarning`` how many files were left out, if any, and what they are."""
    if skipped:
        kinds = [f"{n} {what}" for what, n in Counter(what for _, what in skipped).most_common()]
        warnings.warn(
            f"skipped {len(skipped)} of {len(skipped) + n_read} files in {root} that could not be read as {kind.name} "
            f"({listed(kinds)}), the first being {skipped[0][0]}",
            UserWarning,
            stacklevel=3,
        )
