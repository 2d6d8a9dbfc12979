"""The order of the rooms: an import points to a room nearer to the data, and no files import each other in a circle."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import ganaug

PACKAGE = Path(ganaug.__file__).parent
# From the data upwards; a room inside another one stands right after it, or before it where the outer one uses it.
ROOMS = [
    "_version",
    "_text",
    "data",
    "data.images",
    "data.audio",
    "data.tables.columns",
    "data.tables",
    "data.tables.files",
    "engine",
    "engine.callbacks",
    "objectives",
    "objectives.adversarial",
    "objectives",
    "generators",
    "generators.images",
    "generators.tables",
    "generators.registry",
    "classifiers",
    "metrics",
    "metrics.modalities",
    "audit",
    "curation",
    "transforms",
    "resampling",
    "bench.suite",
    "bench.records",
    "bench.inputs",
    "bench.methods",
    "bench.cases",
    "bench.execution",
    "bench.results",
    "bench",
    "cli",
]


@cache
def modules():
    """Every file of the package by its name, without its prefix."""
    paths = {p.relative_to(PACKAGE).with_suffix(""): p for p in PACKAGE.rglob("*.py")}
    return {".".join(name.parts).removesuffix("__init__").rstrip("."): path for name, path in paths.items()}


def is_package(name):
    return modules()[name].name == "__init__.py"


@cache
def imported(name):
    """Modules that a module imports, wherever in it; what a package hands on counts as the module it is from."""
    found = set()
    for node in ast.walk(ast.parse(modules()[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.removeprefix("ganaug.") for alias in node.names if alias.name.startswith("ganaug.")}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "ganaug":
            found |= {target(node.module.removeprefix("ganaug").lstrip("."), alias.name) for alias in node.names}
    return found & modules().keys() - {name, ""}


def target(module, name):
    whole = f"{module}.{name}".lstrip(".")
    if whole in modules():
        return whole
    if module in modules() and module and is_package(module):
        return handed_on(module).get(name, module)
    return module


@cache
def handed_on(package):
    tree = ast.parse(modules()[package].read_text(encoding="utf-8"))
    return {
        alias.asname or alias.name: target(node.module.removeprefix("ganaug."), alias.name)
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ganaug.")
        for alias in node.names
    }


def room(name):
    return max((r for r in ROOMS if name == r or name.startswith(f"{r}.")), key=len, default=None)


def files():
    return sorted(name for name in modules() if name and not is_package(name) and name != "__main__")


def test_every_file_has_a_room():
    assert [name for name in files() if room(name) is None] == []


def test_imports_point_towards_the_data():
    upwards = {
        (name, other)
        for name in files()
        for other in imported(name)
        if not is_package(other) and ROOMS.index(room(other)) > ROOMS.index(room(name))
    }
    assert upwards == set()


def test_no_files_import_each_other_in_a_circle():
    graph = {name: {other for other in imported(name) if not is_package(other)} for name in files()}
    circles = set()
    for name in graph:
        reached, waiting = set(), [name]
        while waiting:
            for other in graph[waiting.pop()] - reached:
                reached.add(other)
                waiting.append(other)
        if name in reached:
            circles.add(name)
    assert circles == set()


def test_no_function_shadows_its_module():
    for package in (name for name in modules() if name and is_package(name)):
        shadowed = [n for n, home in handed_on(package).items() if f"{package}.{n}" in modules().keys() - {home}]
        assert shadowed == [], package


def test_public_names_are_there_and_others_are_not():
    assert set(ganaug.__all__) <= set(dir(ganaug))
    for name in ganaug.__all__:
        assert getattr(ganaug, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'ImageGun'"):
        ganaug.ImageGun  # noqa: B018


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import ganaug", {"torch", "sklearn"}),
        ("import ganaug.cli; ganaug.cli.main(['--help'])", {"torch", "sklearn"}),
        # torchvision takes as long to import as torch; workers that fit tables do not need it.
        ("from ganaug import GANOverSampler, ImageGAN, labelled_audio", {"torchvision", "scipy.signal"}),
        ("import ganaug.bench", {"torchvision", "scipy.signal"}),
    ],
)
def test_nothing_heavy_is_imported_before_it_is_used(code, heavy):
    watch = f"import sys, atexit; atexit.register(lambda: print('HEAVY', sorted({heavy} & set(sys.modules))))"
    done = subprocess.run([sys.executable, "-c", f"{watch}\n{code}"], capture_output=True, text=True, check=False)
    assert "HEAVY []" in done.stdout, done.stderr
