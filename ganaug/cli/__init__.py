"""The command line: fit, sample, augment, export, audit and bench.

Nothing heavy is imported before a command runs, so that ``ganaug --help`` answers at once.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Annotated, NoReturn

import typer

from ganaug.cli import audit, bench, export, images, sample, tables  # noqa: F401 - they add their commands to the app
from ganaug.cli.common import app

__all__ = ["app", "main"]

BAD_INPUT = 2


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
