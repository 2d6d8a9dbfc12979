"""How large a function may be, where ruff's limits in pyproject.toml do not reach."""

import ast
from pathlib import Path

import pytest

import ganaug

PACKAGE = Path(ganaug.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))


def functions(path):
    return [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)]


def test_constructors_take_at_most_14_arguments():
    numbers = {}
    for path in FILES:
        for function in functions(path):
            if function.name == "__init__":
                arguments = function.args
                names = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
                numbers[f"{path.relative_to(PACKAGE)}:{function.lineno}"] = len(names) - 1
    assert {place: n for place, n in numbers.items() if n > 14} == {}
    assert max(numbers.values()) > 10


@pytest.mark.parametrize("path", sorted((PACKAGE / "cli").glob("*.py")), ids=lambda path: path.stem)
def test_what_a_command_does_has_at_most_40_lines(path):
    for function in functions(path):
        body = function.body[ast.get_docstring(function) is not None :]
        assert not body or function.end_lineno - body[0].lineno < 40, function.name
