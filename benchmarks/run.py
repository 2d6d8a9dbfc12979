"""Run a suite and keep its figures, with the machine they came from, in benchmarks/results/SUITE/.

    pip install ".[bench]"
    python benchmarks/run.py mnist5k
    python benchmarks/run.py keel

Goes on with an interrupted run. This made every accuracy in the README.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from ganaug.bench import load_suite, run_suite

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite")
    parser.add_argument("-o", "--output", type=Path, help="folder of the run; default runs/SUITE")
    parser.add_argument("--jobs", type=int)
    arguments = parser.parse_args()
    name = load_suite(arguments.suite).name
    run = arguments.output or Path("runs") / name
    summary = run_suite(arguments.suite, run, jobs=arguments.jobs)
    assert summary is not None  # it is when all shards are one
    kept = RESULTS / name
    kept.mkdir(parents=True, exist_ok=True)
    for path in [run / "summary.json", run / "report.md", *run.glob("samples-*.png")]:
        shutil.copyfile(path, kept / path.name)
    print("\n".join(summary["verdicts"]))
    print(f"Kept in {kept}.")


if __name__ == "__main__":
    main()
