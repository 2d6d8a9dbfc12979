"""A benchmark suite on a dask cluster: pip install "ganaug[dask]".

python examples/benchmark_on_dask.py --scheduler tcp://10.0.0.1:8786 -o /shared/run; without --scheduler a cluster of
two workers is started on this machine. All workers must see the folder of the run, on a disk that they share.
"""

import argparse
import dataclasses
from typing import Any

from ganaug.bench import Suite, load_suite, run_suite


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scheduler")
    parser.add_argument("-o", "--output", default="runs/dask")
    parser.add_argument("--jobs", type=int, default=2, help="tasks at a time")
    arguments = parser.parse_args()

    suite = dataclasses.replace(load_suite("smoke"), images=None)  # its tables; load_suite also reads your own file

    if arguments.scheduler is None:
        from distributed import LocalCluster

        with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
            summary = run(suite, arguments, cluster.scheduler_address)
    else:
        summary = run(suite, arguments, arguments.scheduler)
    print("\n".join(summary["verdicts"]))


def run(suite: Suite, arguments: argparse.Namespace, address: str) -> dict[str, Any]:
    # Killed and started again, it resumes; the table is that of a run on one machine.
    return run_suite(
        suite,
        arguments.output,
        jobs=arguments.jobs,
        backend="dask",
        scheduler=address,
        command="examples/benchmark_on_dask.py",
    )


if __name__ == "__main__":
    main()
