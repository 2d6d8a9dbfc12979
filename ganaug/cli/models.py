"""What commands do with generators of any class: make, train, save and open them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from ganaug._text import visible
from ganaug.cli.common import own_modules, under_torchrun

__all__ = [
    "GeneratorName",
    "ModelClass",
    "Params",
    "check_learns_groups",
    "check_savable",
    "display_names",
    "found_class",
    "made",
    "open_model",
    "print_plan",
    "report_training",
    "save",
    "saving",
    "train",
    "train_from",
]

GeneratorName = Annotated[
    str,
    typer.Option(
        "--generator",
        help="What is trained: gan, auto for what was chosen by measurement, the name of a generator that an installed "
        "package registers, or the import path of its class.",
    ),
]
ModelClass = Annotated[
    str | None,
    typer.Option(
        "--generator", help="Class of the model, by its import path, where no installed package has registered it."
    ),
]
Params = Annotated[
    list[str] | None,
    typer.Option(
        "--param", help="KEY=VALUE: a parameter of the generator that has no option here, in JSON; may be repeated."
    ),
]
PICTURE = "samples.png"
# Options that are called otherwise than the parameters that they set.
CALLED = {
    "random_state": "--seed",
    "checkpoint_dir": "--checkpoints",
    "categorical_features": "--categorical",
    "augment": "--flip",
    "distributed": "starting several processes by torchrun",
}


def found_class(name: str, kind: str) -> Any:
    """The class that ``--generator`` names, which draws samples of that kind."""
    from ganaug.generators import generator_class

    own_modules()
    return generator_class(name, kind)


def check_savable(cls: type, license: str) -> None:
    """Find out before the training whether a class can be saved and read again."""
    from ganaug.generators.card import NO_LICENSE, check_facts
    from ganaug.generators.contract import takes

    check_facts(license)
    lacking = [name for name in ("save", "load") if not callable(getattr(cls, name, None))]
    if lacking:
        raise ValueError(
            f"{cls.__name__} has no {' and no '.join(lacking)}, so that its model could not be kept; choose another "
            "--generator, or use it from Python"
        )
    if license != NO_LICENSE and not takes(cls.save, "license"):  # type: ignore[attr-defined]
        raise ValueError(f"--license is not for {cls.__name__}, whose save takes none; leave it out")


def check_learns_groups(cls: Any, groups: str | None) -> None:
    """Refuse ``--groups`` for a class that cannot be conditioned on them."""
    from ganaug.generators.contract import takes

    if groups is not None and not takes(cls.fit, "groups"):
        raise ValueError(f"--groups is not for {cls.__name__}, whose fit takes no groups; leave it out")


def made(
    cls: type,
    asked: Mapping[str, Any],
    params: Sequence[str] | None = None,
    **preferred: Any,
) -> Any:
    """A generator with the parameters that the options of a command ask for.

    Parameters
    ----------
    cls : type
    asked : mapping
        Values by parameter, None for an option that was not given; one that the class lacks is refused.
    params : sequence of str, optional
        What ``--param`` was given.
    **preferred
        Values for parameters of these names, where the class has them and no option was given.

    Raises
    ------
    ValueError
    """
    try:
        gan = cls()
    except TypeError as error:
        raise ValueError(
            f"{cls.__name__} cannot be made without arguments ({error}); give all of them a default"
        ) from None
    known = _parameters(gan)
    chosen, options = {}, {name: value for name, value in asked.items() if value is not None}
    for name, value in {**preferred, **options}.items():
        # Options of a run are those of an object of its own, where a class keeps them so.
        place = next((place for place in (name, f"run__{name}") if place in known), None)
        if place is not None:
            chosen[place] = value.value if isinstance(value, Enum) else value
        elif name in options:
            option = CALLED.get(name, f"--{name.replace('_', '-')}")
            raise ValueError(f"{option} is not for {cls.__name__}, which has no parameter {name}; leave it out")
    given = _parsed(params or (), known, cls.__name__)
    if twice := [name for name in given if name in chosen]:
        raise ValueError(f"--param {twice[0]} is set by an option of its own; leave one of them out")
    chosen |= given
    return gan.set_params(**chosen) if chosen else gan


def _parsed(params: Sequence[str], known: Mapping[str, Any], called: str) -> dict[str, Any]:
    from ganaug.data.suggestions import nearest

    parsed = {}
    for text in params:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ValueError(f"--param must be KEY=VALUE, such as width=64, got {text!r}")
        if name not in known:
            which = nearest(name, known) if known else "; it has none"
            raise ValueError(f"--param {name!r} is no parameter of {called}{which}")
        if inside := next((key for key in known if key.startswith(f"{name}__")), None):
            raise ValueError(f"--param {name} is an object; set what it holds one by one, such as {inside}=VALUE")
        if name in parsed:
            raise ValueError(f"--param {name} was given twice; leave one of them out")
        try:
            parsed[name] = json.loads(value)
        except ValueError:
            parsed[name] = value  # text without quotes
    return parsed


def train(gan: Any, *data: Any, **metadata: Any) -> bool:
    """Fit a generator, with what commands need to know of its data; whether this process is to report and to save."""
    from ganaug.engine.distributed import current_context
    from ganaug.generators.contract import takes

    known = {name: value for name, value in metadata.items() if value is not None}
    gan.fit(*data, **({"metadata": known} if known and takes(gan.fit, "metadata") else {}))
    return current_context(under_torchrun()).first


def train_from(gan: Any, source: Path, target: str, groups: str | None) -> bool:
    """Fit a generator to a file that it reads in parts; whether this process is to report and to save."""
    from ganaug.engine.distributed import current_context

    known = {name: value for name, value in (("target", target), ("groups", groups)) if value is not None}
    gan.fit_parquet(source, target, groups, metadata=known)
    return current_context(under_torchrun()).first


def save(gan: Any, output: Path, license: str) -> None:
    """Write a trained model to a folder, and a picture of what it draws where it can show that."""
    from ganaug.generators.contract import takes

    gan.save(output, **({"license": license} if takes(gan.save, "license") else {}))
    if hasattr(gan, "show"):
        gan.show(output / PICTURE)


@contextmanager
def saving(output: Path, checkpoints: Path | None) -> Iterator[None]:
    """Say of a trained model that cannot be written what is left of it."""
    try:
        yield
    except OSError as error:
        left = "train again; with --checkpoints the training would be kept"
        if checkpoints is not None and next(checkpoints.glob("checkpoint-*"), None):
            left = f"give the same command with --resume, which resumes from the last checkpoint in {checkpoints}"
        raise OSError(
            f"the trained model could not be written to {output} ({error.strerror or error}); make room and {left}"
        ) from error


def report_training(gan: Any, data: str, output: Path) -> None:
    """Print what was wrong with a training, once for each kind and class, how long it took, and where the model is."""
    findings = getattr(gan, "health_", [])
    for (name, of_class), found in {(found["finding"], found.get("class")): found for found in findings}.items():
        where = "" if of_class is None else f" of class {visible(of_class)}"
        action = "" if found["action"] == "reported" else f" ({found['action']})"
        print(f"Warning: {name.replace('_', ' ')}{where} at step {found['step']}{action}", file=sys.stderr)
    also = f", samples in {output / PICTURE}" if hasattr(gan, "show") else ""
    from ganaug.generators.contract import has_groups

    groups = f" in {len(gan.groups_)} groups" if has_groups(gan) else ""
    print(f"{_how_trained(gan, f'{data} of {len(gan.classes_)} classes{groups}')} Model in {output}{also}.")


def _how_trained(gan: Any, data: str) -> str:
    last = (getattr(gan, "history_", None) or [{}])[-1]
    took = f" in {last['seconds']:.0f} s" if "seconds" in last else ""
    resumed_from = getattr(gan, "resumed_from_", 0)
    if resumed_from and resumed_from >= last.get("step", 0):
        return f"The training on {data} was finished before,{took}."
    return f"Trained on {data}{took}{f', from step {resumed_from:,} on' if resumed_from else ''}."


def print_plan(gan: Any, asked: Mapping[str, Any], *data: Any) -> None:
    """Print what would be trained as JSON: the whole configuration, where the class can say it, or its parameters."""
    plan = gan.resolve(*data).to_dict() if hasattr(gan, "resolve") else {"parameters": _parameters(gan)}
    print(json.dumps({**asked, **plan}, indent=1, default=str))


def _parameters(gan: Any) -> dict[str, Any]:
    return gan.get_params() if hasattr(gan, "get_params") else {}


def open_model(path: str | Path, device: str, generator: str | None = None, kind: str | None = None) -> Any:
    """A saved generator of any registered class, or of that which ``--generator`` names."""
    from ganaug.generators import load

    if generator is not None:
        own_modules()
    gan = load(path, device=device, generator=generator)
    if kind is not None and gan.sample_spec_.kind != kind:
        raise ValueError(f"{path} draws {gan.sample_spec_.kind}, not {kind}; pass a model of {kind}")
    return gan


def display_names(gan: Any) -> dict[Any, str]:
    """What each class is called."""
    from ganaug.generators.contract import class_name

    return {label: class_name(gan, label) for label in gan.classes_.tolist()}
