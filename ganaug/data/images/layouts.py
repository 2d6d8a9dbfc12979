"""How a folder of images is laid out: which files belong to which class, and whether its folders are classes at all."""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from ganaug.data.images.decoding import FORMATS

__all__ = ["ClassFolder", "check_layout", "class_folder", "of_the_system", "seems_image"]

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
    has_images : bool
        Where there are folders in it, whether a file beside them is named like an image.
    """

    path: Path
    files: list[Path] = field(default_factory=list)
    others: list[tuple[Path, str]] = field(default_factory=list)
    inner: list[str] = field(default_factory=list)
    has_images: bool = False

    @property
    def nested(self) -> bool:
        """Whether its images all lie in folders inside it."""
        return bool(self.inner) and not self.has_images


def class_folder(path: Path) -> ClassFolder:
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
    found.has_images = bool(inner) and any(seems_image(Path(name)) for name in own if not name.startswith("."))
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


def check_layout(root: Path, folders: list[ClassFolder]) -> None:
    """Raise ``ValueError`` unless folders can be those of classes.

    A test set is never suggested: where there are splits, the one for training is named, or none.

    Parameters
    ----------
    root : Path
    folders : list of ClassFolder
        In `root`.

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
            f"class; {_remedy(train)}"
        )
    if len(folders) == 1 and folders[0].nested:
        below = folders[0].path
        check_layout(below, [class_folder(below / name) for name in folders[0].inner])
        raise ValueError(
            f"{root} is one level too high: {below.name}/ holds no images but folders of images such as "
            f"{folders[0].inner[0]}/; pass {below} instead"
        )
    for folder in folders:
        inside = [name for name in folder.inner if _is_split(name)]
        if len(inside) > 1 and any(map(_is_train, inside)):
            raise ValueError(
                f"the class folder {folder.path.name!r} in {root} holds {_named('split', inside)}, which must not be "
                "mixed; pass a folder that holds the training images alone, in one folder per class"
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


def _remedy(train: list[ClassFolder]) -> str:
    if not train:
        return "none is named as the one to train on; pass a folder that holds that one alone, in one folder per class"
    if train[0].nested:
        return f"pass {train[0].path} to use the images for training alone"
    return f"sort the images of {train[0].path} into one folder per class, and pass that"
