"""``ganaug bench``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ganaug.cli.common import bench_app


@bench_app.command("run")
def bench_run(
    suite: Annotated[str, typer.Argument(help="quick, smoke, mnist5k, or the path of a .toml file.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the run; default runs/SUITE.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes; default one per CPU core. The result does not depend on it.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the full suite as JSON and stop.")] = False,
) -> None:
    """Run a benchmark suite, or go on with an interrupted run, and print its table and verdict."""
    from ganaug.bench import load_suite, run_suite

    loaded = load_suite(suite)
    if dry_run:
        print(json.dumps(loaded.to_dict(), indent=1))
        return
    output = output or Path("runs") / loaded.name
    summary = run_suite(suite, output, jobs=jobs)
    _print_summary(summary, output)
    if summary["failed"]:
        raise typer.Exit(1)


@bench_app.command("report")
def bench_report(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
) -> None:
    """Print the table of a finished run and write its pages anew."""
    from ganaug.bench.report import read_summary

    _print_summary(read_summary(run), run)


def _print_summary(summary: dict[str, Any], output: Path) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    bases = summary["suite"]["baselines"]
    table = Table(title=summary["suite"]["title"], title_justify="left")
    table.add_column("arm")
    table.add_column("accuracy (SD), %", justify="right")
    for base in bases:
        table.add_column(f"against {escape(base)} [95 % interval]".replace("[95", r"\[95"), justify="right")
    table.add_column("seconds", justify="right")
    for arm in summary["arms"]:
        differences = [arm["differences"].get(base) for base in bases]
        accuracy = "failed" if arm["accuracy"] is None else f"{arm['accuracy']:.2f} ({arm['deviation'] or 0:.2f})"
        seconds = (arm["seconds_classifier"] or 0) + arm["seconds_gan"]
        table.add_row(
            escape(arm["name"]),
            accuracy,
            *(escape(f"{d['mean']:+.2f} [{d['low']:+.2f}, {d['high']:+.2f}]") if d else "" for d in differences),
            f"{seconds:.1f}",
        )
    console = Console(width=None if sys.stdout.isatty() else 110)
    console.print(table)
    if summary["gan"]:
        shares = summary["gan"]["consistency"]
        listed = ", ".join(f"{n} {v:.0f} %" for n, v in zip(summary["data"]["classes"], shares, strict=True))
        console.print(f"Synthetic images of the class asked for: {escape(listed)}.")
    if summary["failed"]:
        console.print(f"{len(summary['failed'])} cells failed; the report says why.")
    for sentence in summary["verdicts"]:
        console.print(f"Verdict: {escape(sentence)}")
    console.print(f"Report: {escape(str(output / 'report.html'))}", soft_wrap=True)
