"""The command line: fit, sample and bench.

Nothing heavy is imported before a command runs, so that ``ganaug --help`` answers at once.
"""

from __future__ import annotations

import json
import os
import re
import sys
import warnings
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from ganaug.gans import ImageGAN

app = typer.Typer(
    help="Class-conditional GANs as data augmentation, with an honest measure of what they bring.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
fit_app = typer.Typer(help="Train a GAN on labelled data.", no_args_is_help=True)
bench_app = typer.Typer(help="Measure whether augmentation helps a classifier.", no_args_is_help=True)
app.add_typer(fit_app, name="fit")
app.add_typer(bench_app, name="bench")

BAD_INPUT = 2
# Also no leading dot and no empty name: a class called ".." must not leave the folder, nor ".x" be hidden in it.
UNSAFE_IN_NAME = re.compile(r"[^\w.@ +-]|^\.|^$")


class Preset(StrEnum):
    """Presets of ImageGAN."""

    auto = "auto"
    tiny = "tiny"
    small = "small"
    base = "base"


class SampleFormat(StrEnum):
    """What samples are written as."""

    folder = "folder"
    npz = "npz"
    parquet = "parquet"


Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")]


def _version(asked: bool) -> None:
    if asked:
        import ganaug

        print(ganaug.__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@fit_app.command("images")
def fit_images(
    source: Annotated[
        str,
        typer.Argument(help="Folder with a folder per class, .parquet, .npz, or an embedded set: digits, mnist5k."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write the model to.")],
    preset: Annotated[Preset, typer.Option(help="Size of the networks and length of the training.")] = Preset.auto,
    steps: Annotated[int | None, typer.Option(help="Updates of both networks, instead of the preset's.")] = None,
    size: Annotated[str | None, typer.Option(help="Resize images to this side, or HEIGHTxWIDTH, in pixels.")] = None,
    flip: Annotated[
        bool, typer.Option("--flip", help="Left and right may be swapped: mirror images in training.")
    ] = False,
    device: Device = "auto",
    seed: Annotated[int | None, typer.Option(help="On a CPU the same seed gives the same model.")] = None,
    log_dir: Annotated[
        Path | None, typer.Option(help="Folder for metrics.jsonl and TensorBoard files; default OUTPUT/log.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the full configuration as JSON and stop.")] = False,
) -> None:
    """Train a class-conditional GAN on labelled images."""
    from ganaug.data import labelled_images
    from ganaug.gans import ImageGAN
    from ganaug.training.devices import resolve_device

    data = labelled_images(source, size=_size(size), train=True)
    gan = ImageGAN(
        preset=preset.value,
        steps="auto" if steps is None else steps,
        device=device,
        random_state=seed,
        log_dir=log_dir or output / "log",
    )
    config = gan.resolve(data)
    if flip:
        gan.set_params(augment=(*config.operations, "hflip"))
        config = gan.resolve(data)
    if dry_run:
        found = {
            "n_images": len(data),
            "image_shape": data.image_shape,
            "classes": [data.name(label) for label in data.classes.tolist()],
            "skipped_files": len(data.skipped),
        }
        asked = {"source": source, "output": str(output), "data": found}
        run = {"device": str(resolve_device(device)), "seed": seed, "log_dir": str(gan.log_dir)}
        print(json.dumps({**asked, **run, **config.to_dict()}, indent=1))
        return
    _check_writable(output, folder=True)
    gan.fit(data)
    gan.save(output)
    gan.show(output / "samples.png")
    print(
        f"Trained on {len(data):,} images of {len(data.classes)} classes in {gan.history_[-1]['seconds']:.0f} s. "
        f"Model in {output}, samples in {output / 'samples.png'}."
    )


@app.command()
def sample(
    model: Annotated[Path, typer.Argument(help="Folder written by 'ganaug fit images'.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder, .npz or .parquet file to write.")],
    per_class: Annotated[int, typer.Option(min=1, help="Images of each class.")] = 100,
    label: Annotated[list[str] | None, typer.Option("--class", help="Only this class; may be repeated.")] = None,
    output_format: Annotated[
        SampleFormat | None, typer.Option("--format", help="Instead of what the output's name says.")
    ] = None,
    device: Device = "auto",
    seed: Annotated[int | None, typer.Option(help="On a CPU the same seed gives the same images.")] = None,
) -> None:
    """Draw synthetic images: a folder per class of PNGs, an .npz, or a .parquet file."""
    import numpy as np

    from ganaug.gans import ImageGAN

    kinds = {".npz": SampleFormat.npz, ".parquet": SampleFormat.parquet}
    kind = output_format or kinds.get(output.suffix, SampleFormat.folder)
    if kind is SampleFormat.folder and output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise ValueError(f"{output} exists and is not an empty folder; choose another name or delete it")
    _check_writable(output, folder=kind is SampleFormat.folder)
    gan = ImageGAN.load(model, device=device)
    names = {name: key for key, name in _names(gan).items()}
    unknown = [name for name in label or () if name not in names]
    if unknown:
        raise ValueError(f"the model knows no class {unknown[0]!r}; its classes are {', '.join(names)}")
    asked = [names[name] for name in dict.fromkeys(label)] if label else list(names.values())
    labels = np.repeat(np.array(asked, dtype=gan.classes_.dtype), per_class)
    images = gan.sample(labels, random_state=seed).numpy()
    write = {SampleFormat.folder: _write_folder, SampleFormat.npz: _write_npz, SampleFormat.parquet: _write_parquet}
    write[kind](output, images, labels, gan)
    print(f"Wrote {len(images):,} images of {len(asked)} classes to {output}.")


@bench_app.command("run")
def bench_run(
    suite: Annotated[str, typer.Argument(help="quick, smoke, mnist5k, or the path of a .toml file.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the run; default runs/SUITE.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes; default one per CPU core. The result does not depend on it.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the full suite as JSON and stop.")] = False,
) -> None:
    """Run a benchmark suite, or go on with an interrupted run, and print its table and verdict."""
    from ganaug.bench import load_suite, run_suite

    loaded = load_suite(suite)
    if dry_run:
        print(json.dumps(loaded.to_dict(), indent=1))
        return
    output = output or Path("runs") / loaded.name
    summary = run_suite(suite, output, jobs=jobs)
    _print_summary(summary, output)
    if summary["failed"]:
        raise typer.Exit(1)


@bench_app.command("report")
def bench_report(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
) -> None:
    """Print the table of a finished run and write its pages anew."""
    from ganaug.bench.report import read_summary

    _print_summary(read_summary(run), run)


def _print_summary(summary: dict[str, Any], output: Path) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    bases = summary["suite"]["baselines"]
    table = Table(title=summary["suite"]["title"], title_justify="left")
    table.add_column("arm")
    table.add_column("accuracy (SD), %", justify="right")
    for base in bases:
        table.add_column(f"against {escape(base)} [95 % interval]".replace("[95", r"\[95"), justify="right")
    table.add_column("seconds", justify="right")
    for arm in summary["arms"]:
        differences = [arm["differences"].get(base) for base in bases]
        accuracy = "failed" if arm["accuracy"] is None else f"{arm['accuracy']:.2f} ({arm['deviation'] or 0:.2f})"
        seconds = (arm["seconds_classifier"] or 0) + arm["seconds_gan"]
        table.add_row(
            escape(arm["name"]),
            accuracy,
            *(escape(f"{d['mean']:+.2f} [{d['low']:+.2f}, {d['high']:+.2f}]") if d else "" for d in differences),
            f"{seconds:.1f}",
        )
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print(table)
    if summary["gan"]:
        shares = summary["gan"]["consistency"]
        listed = ", ".join(f"{n} {v:.0f} %" for n, v in zip(summary["data"]["classes"], shares, strict=True))
        console.print(f"Synthetic images of the class asked for: {escape(listed)}.")
    if summary["failed"]:
        console.print(f"{len(summary['failed'])} cells failed; the report says why.")
    for sentence in summary["verdicts"]:
        console.print(f"Verdict: {escape(sentence)}")
    console.print(f"Report: {escape(str(output / 'report.html'))}", soft_wrap=True)


def _names(gan: ImageGAN) -> dict[Any, str]:
    """Classes and their display names, made unique."""
    names = {label: gan.class_name(label) for label in gan.classes_.tolist()}
    return names if len(set(names.values())) == len(names) else {label: str(label) for label in names}


def _write_folder(output: Path, images: Any, labels: Any, gan: ImageGAN) -> None:
    from ganaug.data.pictures import picture

    if len(images[0]) not in (1, 3):
        raise ValueError(f"PNGs hold 1 or 3 channels, the images have {len(images[0])}; write an .npz file instead")
    names = _names(gan)
    folders = {label: UNSAFE_IN_NAME.sub("_", names[label]) for label in names}
    if len(set(folders.values())) < len(folders):
        folders = {label: f"{index}_{folder}" for index, (label, folder) in enumerate(folders.items())}
    counters = dict.fromkeys(names, 0)
    for image, label in zip(images, labels.tolist(), strict=True):
        folder = output / folders[label]
        folder.mkdir(parents=True, exist_ok=True)
        picture(image).save(folder / f"{counters[label]:06d}.png")
        counters[label] += 1


def _write_npz(output: Path, images: Any, labels: Any, gan: ImageGAN) -> None:
    import io

    import numpy as np

    from ganaug.data.files import write_atomically

    if labels.dtype == object:
        labels = labels.astype(str)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, images=images.transpose(0, 2, 3, 1), labels=labels)
    write_atomically(output, buffer.getvalue())


def _write_parquet(output: Path, images: Any, labels: Any, gan: ImageGAN) -> None:
    import io

    from datasets import ClassLabel, Dataset, Features, Image, disable_progress_bars

    from ganaug.data.files import write_atomically
    from ganaug.data.pictures import picture

    if len(images[0]) not in (1, 3):
        raise ValueError(
            f"parquet images hold 1 or 3 channels, the images have {len(images[0])}; write an .npz file instead"
        )
    names = _names(gan)
    index = {label: position for position, label in enumerate(names)}
    features = Features({"image": Image(), "label": ClassLabel(names=list(names.values()))})
    columns = {"image": [picture(image) for image in images], "label": [index[label] for label in labels.tolist()]}
    disable_progress_bars()
    buffer = io.BytesIO()
    Dataset.from_dict(columns, features=features).to_parquet(buffer)
    write_atomically(output, buffer.getvalue())


def _size(text: str | None) -> int | tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d+)(?:x(\d+))?", text)
    if match is None:
        raise ValueError(f"--size must be a number of pixels such as 32, or HEIGHTxWIDTH such as 32x48, got {text!r}")
    height = int(match[1])
    return (height, int(match[2])) if match[2] else height


def _check_writable(output: Path, *, folder: bool) -> None:
    """Find out before the work, not after it, that its result cannot be written."""
    if output.exists() and output.is_dir() != folder:
        raise ValueError(f"cannot write {output}: it is a {'file' if folder else 'folder'}; choose another name")
    parent = next(p for p in (output, *output.absolute().parents) if p.exists())
    if parent.is_file() and parent != output:
        raise ValueError(f"cannot write {output}: {parent} is a file")
    if not os.access(parent, os.W_OK):
        raise ValueError(f"cannot write {output}: no permission to write in {parent}")


def _fail(error: BaseException, status: int) -> NoReturn:
    if os.environ.get("GANAUG_TRACEBACK"):
        raise error
    print(f"Error: {error}", file=sys.stderr)
    raise SystemExit(status)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; bad input ends it with one sentence and status 2.

    Set the environment variable ``GANAUG_TRACEBACK`` to see where an error came from.
    """
    show = warnings.showwarning
    warnings.showwarning = lambda message, *_args, **_kw: print(f"Warning: {message}", file=sys.stderr)
    try:
        app(arguments, prog_name="ganaug")
    except (ValueError, TypeError, OSError) as error:
        _fail(error, BAD_INPUT)
    except RuntimeError as error:
        # Only what the package itself raises is a message to the user; the rest keeps its traceback.
        if not type(error).__module__.startswith("ganaug"):
            raise
        _fail(error, 1)
    finally:
        warnings.showwarning = show


if __name__ == "__main__":
    main()
