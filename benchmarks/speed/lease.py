"""Ten minutes on a GPU that is lent by the minute: what it says about ImageGAN, each part under a time-out of its own.

    python benchmarks/speed/lease.py -o rows.jsonl [--data cifar10.npz] [--packages wheels/] [--parts limits,step]

Parts, in the order in which they matter: `limits` (versions, the rates of a copy and of a matrix product), `step`
(eager steps, plain and penalised: seconds, those of the first too, kernels, convolutions, and what takes longest),
`features` (graphs against eager steps, resuming, rolling back, halving the batch size, drawing, SyntheticMix,
TableGAN), `speed` (recorded steps by preset and batch size, plain and penalised apart), `processes` (two on the one
GPU, and the group that is used where each has its own) and `quality` (trainings of 20, 60 and 120 s, of which 5,000
samples each are kept). Each row is written to the file at once, as a JSON object with the part, the device and the
seconds since the start; a part that fails or takes too long is a row too, and the next one begins. `--parts score`
measures the kept samples afterwards, on any machine, by ganaug.metrics.image_report.

The data are a `.npz` file with arrays `images` (uint8) and `labels`, or made up. The package is taken from the tree
that this script is in. Besides torch, torchvision, numpy, scipy and scikit-learn it needs pandas, narwhals, pyarrow,
rich, safetensors, huggingface_hub and jinja2 (and `score` torchmetrics): what a machine lacks is taken from
`--packages`, a folder of wheels or of unpacked packages. Neither imbalanced-learn nor datasets, pydantic and loky are
needed.

`--small` runs all of it on small data, in a minute of an idle core; time-outs are longer then. No GPU has run it yet.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PARTS = {"limits": 40, "step": 75, "features": 90, "speed": 110, "processes": 45, "quality": 250}  # seconds at most
LATER = {"score": 3600}
NEEDED = [
    "torch",
    "torchvision",
    "sklearn",
    "pandas",
    "narwhals",
    "pyarrow",
    "rich",
    "safetensors",
    "huggingface_hub",
    "jinja2",
]
SLOWER = 10  # times that a part of small data may take on a CPU
LEAST = 5  # seconds, below which a part is not worth its start


def unpacked(packages: Path, folder: str) -> list[str]:
    """Folders to import from: the one that is given, and what its wheels hold."""
    for wheel in sorted(packages.glob("*.whl")):
        with zipfile.ZipFile(wheel) as file:
            file.extractall(folder)
    return [str(packages), folder]


def last_device(rows: Path) -> str:
    """Name of the device in the last row, as this process knows nothing of devices."""
    lines = rows.read_text(encoding="utf-8").splitlines() if rows.exists() else []
    return str(json.loads(lines[-1])["device"]) if lines else "unknown"


def write(rows: Path, part: str, started: float, what: str, **values: Any) -> None:
    row = {"part": part, "device": last_device(rows), "at": round(time.time() - started, 1), "what": what, **values}
    with rows.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def run_part(command: list[str], environment: dict[str, str], limit: float) -> tuple[str, str]:
    """Run a process with all that it starts, and end them all after so many seconds; how it went, and its last line."""
    with tempfile.TemporaryFile() as errors:
        # In a session of its own, so that nothing which it has started lives on.
        child = subprocess.Popen(command, env=environment, stderr=errors, start_new_session=True)
        try:
            child.wait(timeout=limit)
            how = "done" if child.returncode == 0 else f"failed with status {child.returncode}"
        except subprocess.TimeoutExpired:
            how = f"not finished after {limit:.3g} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip().splitlines()
    return how, said[-1] if said and how != "done" else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, help="JSON lines; rows are added to what is there")
    parser.add_argument("--data", type=Path, help=".npz file with images and labels; default made up")
    parser.add_argument("--packages", type=Path, help="folder of wheels or unpacked packages that this machine lacks")
    parser.add_argument("--parts", default=",".join(PARTS), help="default: all but score")
    parser.add_argument("--samples", type=Path, help="folder for drawn images; default the one of the rows")
    parser.add_argument("--seconds", type=float, default=580, help="for all parts but score together; default 580")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--small", action="store_true", help="small data and networks: what a CPU has time for")
    arguments = parser.parse_args()
    limits = PARTS | LATER
    asked = arguments.parts.split(",")
    if unknown := [name for name in asked if name not in limits]:
        parser.error(f"--parts knows {', '.join(limits)}, got {', '.join(unknown)}; leave those out")
    rows, started, slower = arguments.output, time.time(), SLOWER if arguments.small else 1
    samples = arguments.samples or rows.parent
    samples.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        places = [str(ROOT), *(unpacked(arguments.packages, folder) if arguments.packages else [])]
        sys.path += places
        if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
            parser.error(f"{', '.join(missing)} cannot be imported; pass --packages with a folder of their wheels")
        path = os.pathsep.join([*places, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        for part in asked:
            left = slower * arguments.seconds - (time.time() - started) if part in PARTS else LATER[part]
            if left < LEAST:
                write(rows, part, started, "left out", reason="no time was left")
                continue
            command = [sys.executable, str(Path(__file__).with_name("lease_parts.py")), part, str(rows), str(samples)]
            command += [str(started), arguments.device, str(arguments.data or ""), "small" * arguments.small]
            how, said = run_part(command, {**os.environ, "PYTHONPATH": path}, min(left, slower * limits[part]))
            write(rows, part, started, "end", how=how, **({"said": said} if said else {}))
            print(f"{part}: {how} {said}".rstrip(), flush=True)


if __name__ == "__main__":
    main()
