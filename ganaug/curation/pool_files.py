"""The files of a pool: its header, its pixels, and how several processes write them together."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganaug._version import __version__
from ganaug.curation.drawing import FilteredDraws
from ganaug.data.files import (
    UnreadableFileError,
    tidied_when_ended,
    umask,
    write_atomically,
)
from ganaug.data.json_values import clip, json_text, read_json
from ganaug.engine.devices import seed_from
from ganaug.engine.distributed import ALONE, DistributedContext
from ganaug.generators.contract import Generator, check_generator, class_names, device_of, has_groups
from ganaug.generators.model_folder import check_version, labels_to_json, weights_checksum

__all__ = ["FILES", "HEADER", "REMEDY", "build_pool", "holds_only_a_pool", "join_with_one_seed", "read_header"]

FORMAT, FORMAT_VERSION = "ganaug.SyntheticPool", 3
HEADER = "pool.json"
FILES = {"uint8": "images.u8", "float32": "images.f32"}  # pixels by their dtype, floats with the lowest byte first
VERSIONS = {"uint8": 1, "float32": 2}  # older readers know uint8 alone, and no groups: these are version 3
CHECKSUM = "header_sha256"
REMEDY = "build the pool again"
COPIED = 2**24  # bytes at a time


def build_pool(draws: FilteredDraws, path: Path, processes: DistributedContext = ALONE) -> None:
    """Draw images and write them as a pool.

    Of several processes each draws every n-th class or cell, into files that the first puts together; the pool is the
    same for any number of them.

    Parameters
    ----------
    draws : FilteredDraws
        The same in all processes.
    path : Path
        A folder that is empty, does not exist yet, or holds a pool to replace; one that all processes see.
    processes : DistributedContext, optional
        Those that build it together, joined already.
    """
    # A folder that is there already may be a mount point, which nothing can be renamed to.
    inside = path.exists()
    home = path if inside else path.parent
    alone = processes.count == 1
    if alone:
        home.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=home, prefix=f".{path.name}."))
    else:
        temporary = home / f".{path.name}.{draws.seed}"
    finish = functools.partial(_finish, draws, temporary, path, inside)
    pixels = temporary / FILES[draws.gan.sample_spec_.dtype]
    with tidied_when_ended():
        try:
            if alone:
                finish(_write(pixels, draws))
            else:
                _build_together(draws, pixels, finish, processes)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def join_with_one_seed(gan: Generator, random_state: Any, processes: DistributedContext) -> int:
    """Meet the other processes, and return a seed that is the same in all of them."""
    check_generator(gan, kind="images")
    processes.join(device_of(gan))
    return processes.smallest(seed_from(random_state))


def _weights(gan: Generator) -> str | None:
    """Checksum of a generator's weights; None if it does not show any."""
    return weights_checksum(gan.tensors()) if hasattr(gan, "tensors") else None


def _build_together(
    draws: FilteredDraws, pixels: Path, finish: Callable[[str], None], processes: DistributedContext
) -> None:
    temporary = pixels.parent
    asked = [_weights(draws.gan), draws.wanted.tolist(), draws.max_draws]
    # No process starts before all have found the folder empty.
    processes.check_alike(json.dumps([*asked, [step.name for step in draws.filters]]))
    own = range(len(draws.wanted))[processes.rank :: processes.count]

    def prepare() -> None:
        if processes.first:
            shutil.rmtree(temporary, ignore_errors=True)  # of a build that was killed
            temporary.mkdir(parents=True)

    def draw() -> None:
        for position in own:
            _write(temporary / f"{position}.part", draws.of_cell(position))
            write_atomically(temporary / f"{position}.json", json.dumps(draws.records[-1]))

    def put_together() -> None:
        if not processes.first:
            return
        draws.records = []
        checksum = _write(pixels, of_all())
        draws.check_any_kept()
        finish(checksum)

    def of_all() -> Iterator[NDArray[np.uint8]]:  # bytes, whatever the dtype
        for position in range(len(draws.wanted)):
            record, part = temporary / f"{position}.json", temporary / f"{position}.part"
            draws.records.append(read_json(record))
            with part.open("rb") as file:
                while content := file.read(COPIED):
                    yield np.frombuffer(content, dtype=np.uint8)
            record.unlink()
            part.unlink()

    # No process continues before all are done, nor after one has failed.
    for call in (prepare, draw, put_together):
        processes.together(call)


def _finish(draws: FilteredDraws, temporary: Path, path: Path, inside: bool, checksum: str) -> None:
    """Write the header and put the pool into its place."""
    gan, dtype = draws.gan, draws.gan.sample_spec_.dtype
    kept, grouped = draws.kept(), has_groups(draws.gan)
    provenance = {
        "gan": {
            "class": type(gan).__name__,
            "weights_sha256": _weights(gan),
            "training_data": getattr(gan, "training_data_", {}),
        },
        "random_state": draws.seed,
        "filters": [step.describe() for step in draws.filters],
        "cells" if grouped else "classes": draws.records,
    }
    header = {
        "image_shape": list(gan.sample_spec_.shape),
        **({} if dtype == "uint8" else {"dtype": dtype}),
        "classes": labels_to_json(gan.classes_),
        "class_names": [class_names(gan).get(label) for label in gan.classes_.tolist()],
        "counts": kept.reshape(len(gan.classes_), -1).sum(1).tolist(),
        **({} if not grouped else _groups(gan, kept)),
        "images_sha256": checksum,
        "provenance": provenance,
    }
    _write_header(temporary, header, FORMAT_VERSION if grouped else VERSIONS[dtype])
    if inside:
        for name in (FILES[dtype], HEADER):
            (temporary / name).replace(path / name)
        for name in set(FILES.values()) - {FILES[dtype]}:
            (path / name).unlink(missing_ok=True)  # of the pool that was replaced
        temporary.rmdir()
    else:
        os.chmod(temporary, 0o777 & ~umask())
        temporary.replace(path)


def _groups(gan: Any, kept: NDArray[np.int64]) -> dict[str, Any]:
    return {
        "groups": labels_to_json(gan.groups_),
        "cell_counts": kept.tolist(),
        "training_cell_counts": np.asarray(gan.cell_counts_).tolist(),
    }


def _write(path: Path, batches: Iterable[NDArray[Any]]) -> str:
    """Write one batch of images while the next is drawn, and return the checksum of all."""
    digest = hashlib.sha256()
    with path.open("wb") as file, ThreadPoolExecutor(1) as thread:

        def put(pixels: memoryview) -> None:
            file.write(pixels)
            digest.update(pixels)

        pending: Future[None] | None = None
        for images in batches:
            if pending is not None:
                pending.result()
            stored = np.ascontiguousarray(images, dtype=images.dtype.newbyteorder("<"))
            pending = thread.submit(put, stored.reshape(-1).view(np.uint8).data)
        if pending is not None:
            pending.result()
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def holds_only_a_pool(path: Path) -> bool:
    """Whether a path is a folder with the files of a pool, sound or not, and nothing else in it.

    What a build that was killed left behind, under the name of this pool, counts as nothing.
    """
    if not path.is_dir():
        return False
    names = {entry.name for entry in path.iterdir() if not entry.name.startswith(f".{path.name}.")}
    pixels = set(FILES.values())
    return bool(names & pixels) and names <= {*pixels, HEADER}


def read_header(path: Path) -> dict[str, Any]:
    """Header of a pool, or ``ValueError``."""
    if not (path / HEADER).exists():
        found = "does not exist" if not path.exists() else f"holds no {HEADER}"
        raise ValueError(f"{path} is no pool: it {found}; pass a folder written by SyntheticPool.build")
    try:
        header = read_json(path / HEADER)
        checksum = _checksum({k: v for k, v in header.items() if k != CHECKSUM} if isinstance(header, dict) else {})
    except UnreadableFileError:
        raise
    except (ValueError, RecursionError) as error:
        reason = clip(str(error), 200)
        raise ValueError(f"{path / HEADER} is damaged: {reason}; {REMEDY}") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ValueError(f"{path} is no pool of ganaug's; pass a folder written by SyntheticPool.build")
    check_version(str(path), header.get("format_version"), FORMAT_VERSION)
    if header.pop(CHECKSUM, None) != checksum:
        raise ValueError(f"{path / HEADER} was edited: its checksum differs; {REMEDY}")
    return header


def _write_header(path: Path, header: dict[str, Any], version: int) -> None:
    known = {"format": FORMAT, "format_version": version, "ganaug_version": __version__}
    header = json.loads(json.dumps({**known, **header}))
    write_atomically(path / HEADER, json_text({**header, CHECKSUM: _checksum(header)}, indent=1))


def _checksum(header: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()
