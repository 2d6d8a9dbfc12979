"""What a training costs beside another one on the same cores, by how many threads it has and how they wait.

    python benchmarks/speed/threads.py [--steps 20] [--rounds 3] [-o FILE.md]

Processes that each train the preset "tiny" on digits are started together, one or as many as there are cores, with

* one thread, which is ganaug's default;
* OMP_NUM_THREADS=1, which says so to all libraries;
* as many threads as there are cores, torch's default (``run__threads=None``), which was ganaug's before;
* the same with OMP_WAIT_POLICY=PASSIVE: threads of OpenMP that have nothing to do sleep at once, in place of asking
  again and again whether there is something, for which they keep a core from others.

Ways take turns. Seconds are of the fit alone, the last of the processes to end, on the clock; processor seconds are
those of all threads of a process. Medians over rounds; "times" is by one thread with as many processes. Whatever else
the machine does lengthens them all, and those that wait for their own threads the most; the title says what
the load was before the first was started.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from report import publish

COMMAND = [sys.executable, __file__]
ONE = "OMP_NUM_THREADS=1"
OF_TORCH = "--threads-of-torch"
WAYS: dict[str, tuple[Mapping[str, str], Sequence[str]]] = {
    "default": ({}, []),
    ONE: ({"OMP_NUM_THREADS": "1"}, []),
    "torch's threads": ({}, [OF_TORCH]),
    "torch's threads, which sleep": ({"OMP_WAIT_POLICY": "PASSIVE"}, [OF_TORCH]),
}


class Taken(NamedTuple):
    """Of processes that ran side by side: the longest time, and the mean of the processor's, in seconds."""

    seconds: float
    processor: float


def trained(steps: int, threads: int | None) -> Taken:
    """Of a fit in this process, which waits for a line of its standard input before."""
    from ganaug import ImageGAN, RunOptions, labelled_images

    options = {"device": "cpu", "random_state": 0, "verbose": False, "run": RunOptions(threads=threads)}
    digits = labelled_images("digits").subset(range(600))
    ImageGAN(preset="tiny", steps=2, **options).fit(digits)
    gan = ImageGAN(preset="tiny", steps=steps, **options)
    print("ready", flush=True)
    sys.stdin.readline()
    started = time.perf_counter(), time.process_time()
    gan.fit(digits)
    return Taken(time.perf_counter() - started[0], time.process_time() - started[1])


def together(n: int, way: str, steps: int) -> Taken:
    """Of so many processes."""
    environment, arguments = WAYS[way]
    others = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "MKL_", "GOMP_", "KMP_"))}
    command = [*COMMAND, "--fit", "--steps", str(steps), *arguments]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, env={**others, **environment}, **pipes) for _ in range(n)]
    for process in processes:
        process.stdout.readline()
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    found = [Taken(*map(float, process.communicate()[0].split())) for process in processes]
    return Taken(max(each.seconds for each in found), statistics.mean(each.processor for each in found))


def cases(rounds: int, steps: int) -> list[tuple[str, str, str]]:
    """Rows of the report."""
    counts = sorted({1, os.cpu_count() or 1})
    taken: dict[tuple[int, str], list[Taken]] = {(n, way): [] for n in counts for way in WAYS}
    for _ in range(rounds):
        for (n, way), measured in taken.items():
            measured.append(together(n, way, steps))
            print(n, way, *(f"{value:.2f}" for value in measured[-1]), sep="; ", flush=True)
    middle = {key: Taken(*map(statistics.median, zip(*found, strict=True))) for key, found in taken.items()}
    return [
        (
            f"{n} process{'es' * (n > 1)}, {way}",
            f"{each.seconds:.1f} s, processor {each.processor:.1f} s",
            f"{each.seconds / middle[n, ONE].seconds:.2f} times",
        )
        for (n, way), each in middle.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path)
    for hidden in ("--fit", OF_TORCH):
        parser.add_argument(hidden, action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.fit:
        print(*trained(arguments.steps, None if arguments.threads_of_torch else 1))
        return
    waiting = os.getloadavg()[0]
    found = cases(arguments.rounds, arguments.steps)
    cores = f"{os.cpu_count()} cores (load average of the minute before: {waiting:.1f})"
    title = f"{arguments.steps} steps of `tiny` on digits, by threads, on {cores}"
    publish(title, "threads.py", found, arguments.output)


if __name__ == "__main__":
    main()
