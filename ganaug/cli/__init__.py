"""The command line: fit, sample, augment, export, audit and bench.

Nothing heavy is imported before a command runs, so that ``ganaug --help`` answers at once.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Annotated, Any, NoReturn

import typer

from ganaug._text import visible
from ganaug.cli import audit, bench, export, images, sample, sounds, tables  # noqa: F401 - they add their commands to the app
from ganaug.cli.common import app, under_torchrun
from ganaug.cli.streams import at_home, streams_that_take_all

__all__ = ["app", "main"]

# Typer has them of its own, or from click, as its version has it.
_USAGE: type[Exception] = next(cls for cls in typer.BadParameter.__mro__ if cls.__name__ == "ClickException")
BAD_INPUT = 2
SHARED = ("fit", "sample")  # commands that know of torchrun


def _version(asked: bool) -> None:
    if asked:
        from ganaug._version import __version__

        print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    try:
        os.getcwd()
    except FileNotFoundError:  # in which libraries end the process
        raise ValueError("the current folder was deleted; change to one that is there") from None
    if under_torchrun() and context.invoked_subcommand not in SHARED:
        raise ValueError(
            f"several processes can share {' and '.join(SHARED)} only, and would all do the same work of "
            f"{context.invoked_subcommand}; start it without torchrun"
        )


def _fail(error: BaseException, status: int) -> NoReturn:
    if os.environ.get("GANAUG_TRACEBACK"):
        raise error
    print(f"Error: {visible(error)}", file=sys.stderr)
    raise SystemExit(status)


def _fail_usage(error: Any) -> NoReturn:
    """One line for options that cannot be read; commands that were given none print their help."""
    if not hasattr(error, "param") and error.__class__.__name__ == "NoArgsIsHelpError":
        error.show()
        raise SystemExit(error.exit_code)
    path = error.ctx.command_path if getattr(error, "ctx", None) is not None else "ganaug"
    # The words of the validator that reads the options are not meant for people.
    message = error.format_message().replace("Value error, ", "").rstrip(".")
    print(f"Error: {message}; see {path} --help", file=sys.stderr)
    raise SystemExit(error.exit_code)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; bad input ends it with one sentence and status 2.

    Set the environment variable ``GANAUG_TRACEBACK`` to see where an error came from.
    """
    with streams_that_take_all():
        _run([at_home(argument) for argument in (sys.argv[1:] if arguments is None else arguments)])


def _run(arguments: list[str]) -> None:
    show = warnings.showwarning
    warnings.showwarning = lambda message, *_args, **_kw: print(f"Warning: {visible(message)}", file=sys.stderr)
    try:
        status = app(arguments, prog_name="ganaug", standalone_mode=False)
    except _USAGE as error:
        _fail_usage(error)
    except (ValueError, TypeError, OSError) as error:
        _fail(error, BAD_INPUT)
    except MemoryError as error:
        _fail(ValueError(f"there is not enough memory for what is asked for ({error or 'none is left'})"), BAD_INPUT)
    except RuntimeError as error:
        # Only what the package itself raises is a message to the user; the rest keeps its traceback.
        if not type(error).__module__.startswith("ganaug"):
            raise
        _fail(error, 1)
    finally:
        warnings.showwarning = show
    raise SystemExit(status or 0)
