"""Options that cannot be read, and help."""

import pytest
from shell import run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("bench", "run", "quick", "--jobs", "0"), "Invalid value for '--jobs'"),
        (("bench", "run", "quick", "--jobs", "x"), "Invalid value for '--jobs'"),
        (("bench", "run", "quick", "--timeout", "nan?"), "Invalid value for '--timeout'"),
        (("bench", "run", "--fold", "3"), "--folds"),
        (("bench", "run", "quick", "--shard"), "--shard"),
        (("fit", "table", "t.csv", "-o", "m"), "--target"),
        (("fit", "table", "t.csv", "--target", "y", "-o", "m", "--health", "fine"), "'fine' is not one of"),
        (("fit", "sound", "x"), "sound"),
    ],
)
def test_a_usage_error_is_one_line_that_names_the_help(capsys, arguments, message):
    assert run(*arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert line.startswith("Error: ")
    assert line.endswith("--help")
    assert message in line
    assert "Value error" not in line


@pytest.mark.parametrize("command", [(), ("bench",), ("bench", "run"), ("fit", "images")])
def test_help_has_a_short_form_and_flags_no_type(capsys, command):
    assert run(*command, "-h") == 0
    short = capsys.readouterr().out
    assert run(*command, "--help") == 0
    assert capsys.readouterr().out == short
    assert "bool" not in short
    assert ("--install-completion" in short) == (not command)
