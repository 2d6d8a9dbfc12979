"""Run a suite and keep its figures, with the machine they came from, in benchmarks/results/SUITE/.

    python benchmarks/run.py mnist5k

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
    run = arguments.output or Path("runs") / load_suite(arguments.suite).name
    summary = run_suite(arguments.suite, run, jobs=arguments.jobs)
    kept = RESULTS / summary["suite"]["name"]
    kept.mkdir(parents=True, exist_ok=True)
    for name in ("summary.json", "report.md", "samples.png"):
        if (run / name).is_file():  # there are no samples of a suite without GANs
            shutil.copyfile(run / name, kept / name)
    print("\n".join(summary["verdicts"]))
    print(f"Kept in {kept}.")


if __name__ == "__main__":
    main()
