import pytest

from ganaug.cli import main


def run(*arguments):
    """Exit status of the command line."""
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return stop.value.code or 0
