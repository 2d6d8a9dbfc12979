"""What all commands share."""

from __future__ import annotations

import os
import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = [
    "BatchSize",
    "CheckpointEvery",
    "Checkpoints",
    "Device",
    "DryRun",
    "Groups",
    "HealthMode",
    "HealthOption",
    "License",
    "PerCell",
    "Resume",
    "Seed",
    "Size",
    "ValidationFraction",
    "app",
    "augment_app",
    "bench_app",
    "check_writable",
    "fit_app",
    "image_size",
    "own_modules",
    "run_options",
    "under_torchrun",
]


def _typer(help_text: str) -> typer.Typer:
    return typer.Typer(
        help=help_text,
        no_args_is_help=True,
        rich_markup_mode=None,  # its boxes give flags a type that they do not take
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
    )


app = _typer("Class-conditional generators as data augmentation, with an honest measure of what they bring.")
fit_app = _typer("Train a GAN on labelled data.")
augment_app = _typer("Add synthetic samples to labelled data.")
bench_app = _typer("Measure whether augmentation helps a classifier.")
app.add_typer(fit_app, name="fit")
app.add_typer(augment_app, name="augment")
app.add_typer(bench_app, name="bench")

LogDir = Annotated[
    Path | None, typer.Option(help="Folder for metrics.jsonl and TensorBoard files; default OUTPUT/log.")
]
Checkpoints = Annotated[
    Path | None, typer.Option(help="Folder for checkpoints, so that an interrupted training can be resumed.")
]
CheckpointEvery = Annotated[
    int | None, typer.Option(min=1, help="Steps between two checkpoints; by default one a minute or less often.")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Resume the run in --checkpoints, if there is one; start it if not.")
]


class HealthMode(StrEnum):
    """What is done about a training that goes wrong."""

    report = "report"
    adapt = "adapt"


HealthOption = Annotated[
    HealthMode | None,
    typer.Option("--health", help="Report a training that goes wrong, which is the default, or also change it."),
]
BatchSize = Annotated[int | None, typer.Option(min=1, help="Real samples of a step, instead of the default.")]
ValidationFraction = Annotated[
    float | None,
    typer.Option(help="Share of each class that is held out to choose the best moving average by; 0 by default."),
]
Groups = Annotated[
    str | None,
    typer.Option(
        help="Speaker, scanner, site or whatever else each sample comes from, learnt beside the class: the name of a "
        "column; of a folder of images also 'folder' for class/group/file, or a pattern on the paths of files.",
    ),
]
PerCell = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Samples of each class in each known group, in place of --per-class, also where the data have none.",
    ),
]
License = Annotated[str, typer.Option(help="Of the model, for its card: an identifier such as apache-2.0.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]
Seed = Annotated[int | None, typer.Option(help="On a CPU the same seed gives the same result.")]
Size = Annotated[str | None, typer.Option(help="Resize images to this side, or HEIGHTxWIDTH, in pixels.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the full configuration as JSON and stop.")]


def own_modules() -> None:
    """Let import paths that the user names start in the current folder."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())


def check_writable(output: Path, *, folder: bool) -> None:
    """Find out before the work, not after it, that its result cannot be written."""
    if output.exists() and output.is_dir() != folder:
        raise ValueError(f"cannot write {output}: it is a {'file' if folder else 'folder'}; choose another name")
    parent = next(p for p in (output, *output.absolute().parents) if p.exists())
    if parent.is_file() and parent != output:
        raise ValueError(f"cannot write {output}: {parent} is a file")
    if not os.access(parent, os.W_OK):
        raise ValueError(f"cannot write {output}: no permission to write in {parent}")


def run_options(
    checkpoints: Path | None,
    checkpoint_every: int | None,
    resume: bool,
    health: HealthMode | None,
    validation_fraction: float | None,
) -> dict[str, Any]:
    """Options of where and how a training takes place, as parameters of a generator; None for what was not given."""
    if checkpoints is None and (resume or checkpoint_every is not None):
        option = "--resume" if resume else "--checkpoint-every"
        raise ValueError(f"{option} needs the folder of the checkpoints; pass --checkpoints too, or leave it out")
    return {
        "checkpoint_dir": checkpoints,
        "checkpoint_every": checkpoint_every,
        "resume": None if checkpoints is None else resume,
        "health": health,
        "validation_fraction": validation_fraction,
        "distributed": under_torchrun() or None,
    }


def under_torchrun() -> bool:
    """Whether ``torchrun`` started several processes of this command."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def image_size(text: str | None) -> int | tuple[int, int] | None:
    """Read ``--size``."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)(?:x(\d+))?", text)
    if match is None:
        raise ValueError(f"--size must be a number of pixels such as 32, or HEIGHTxWIDTH such as 32x48, got {text!r}")
    height = int(match[1])
    return (height, int(match[2])) if match[2] else height
