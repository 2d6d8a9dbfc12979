"""``ganaug bench``."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganaug._text import visible, visible_values
from ganaug.cli.common import bench_app, check_writable, own_modules
from ganaug.cli.outputs import check_apart
from ganaug.cli.sound_files import Duration, Mel, SampleRate, audio_options
from ganaug.cli.table_files import Decimal, Encoding, NaValues, Separator, csv_options, opened, report_reading

if TYPE_CHECKING:  # it would import torch
    from ganaug.bench.results.records import ArmResult, CaseResult, ExperimentResult
    from ganaug.data.tables.files.csv_format import CsvOptions

SHOWN_CASES = 6
NOT_FINAL = 3


@bench_app.command("run")
def bench_run(
    suite: Annotated[
        str | None, typer.Argument(help="Name of a suite (see 'ganaug bench list'), or the path of a .toml file.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Your own data in place of a suite's: a table with --target, or labelled images or sounds."),
    ] = None,
    target: Annotated[str | None, typer.Option(help="Column of the class labels of a table.")] = None,
    size: Annotated[int | None, typer.Option(help="Height and width that images are resized to.")] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Folds of your own data; default 5, or one for each of fewer groups. A class needs as many samples, "
            "and at least 3 images.",
        ),
    ] = None,
    groups: Annotated[
        str | None,
        typer.Option(
            help="What your samples come from: a column, or for folders of images 'folder' (class/group/file) or a "
            "pattern on file names. Groups are kept whole."
        ),
    ] = None,
    withhold_cells: Annotated[
        float | None,
        typer.Option(
            "--withhold-cells",
            help="Share of the cells of class and group that is withheld from training and tested on, in place of "
            "whole groups: 0.25 is half of the classes in half of the groups.",
        ),
    ] = None,
    split_column: Annotated[
        list[str] | None,
        typer.Option(
            "--split-column",
            help="Column of 'train' and 'test', or of the fold of each sample, in place of folds drawn; may be "
            "repeated. With --groups, no group may be on both sides.",
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            help="Time for a run on your own data, such as 2m: fewer folds, starts and steps, as the report says."
        ),
    ] = None,
    sample_rate: SampleRate = None,
    duration: Duration = None,
    mel: Mel = None,
    sep: Separator = None,
    decimal: Decimal = None,
    encoding: Encoding = None,
    na_values: NaValues = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the run; default runs/SUITE or runs/custom-DATA.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes; default one per CPU core, or four per GPU where images use one. On a cluster, tasks at a "
            "time; default one per dask worker. The result does not depend on it.",
        ),
    ] = None,
    backend: Annotated[str, typer.Option(help="processes or dask.")] = "processes",
    scheduler: Annotated[str | None, typer.Option(help="Address of an existing dask scheduler.")] = None,
    shard: Annotated[str | None, typer.Option(help="i/n: do the i-th of n parts, for batch systems.")] = None,
    timeout: Annotated[
        float | None, typer.Option(min=0.001, help="Seconds after which a cell is given up; it is reported as such.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check data of your own, print the suite as JSON, and stop.")
    ] = False,
) -> None:
    """Run a benchmark suite, or resume an interrupted run, and print its table and verdict."""
    from dataclasses import replace

    from ganaug.bench import load_suite, run_suite

    own_modules()
    if (suite is None) == (data is None):
        raise ValueError("pass the name of a suite, or --data with your own data")
    options = csv_options(sep, decimal, encoding, na_values)
    if data is not None:
        of_samples = {"size": size, "audio": audio_options(sample_rate, duration, mel), "groups": groups}
        split = {"folds": folds, "withhold_cells": withhold_cells, "split_columns": split_column or ()}
        loaded = _own_data(data, options, target=target, check=dry_run, **of_samples, **split)
    else:
        _check_belongs_to_data("--target, --size, --folds and --budget", target, size, folds, budget)
        _check_belongs_to_data("--groups, --withhold-cells and --split-column", groups, withhold_cells, split_column)
        _check_belongs_to_data("--sample-rate, --duration and --mel", sample_rate, duration, mel)
        _check_belongs_to_data("--sep, --decimal, --encoding and --na-values", sep, decimal, encoding, na_values)
        loaded = load_suite(str(suite))
    output = output or Path("runs") / (loaded.name if data is None else f"{loaded.name}-{_file_name(data)}")
    if budget is not None:
        loaded = _within(loaded, budget, output, jobs)
    if timeout is not None:
        loaded = replace(loaded, timeout=timeout)
    if dry_run:
        print(json.dumps(loaded.to_dict(), indent=1))
        return
    check_apart(output, [data])
    check_writable(output, folder=True)
    summary = run_suite(
        loaded, output, jobs=jobs, backend=backend, scheduler=scheduler, shard=shard, command=_command()
    )
    if summary is None:
        _print_part(output)
        return
    _print_summary(summary, output)
    if summary["failed"]:
        raise typer.Exit(1)


@bench_app.command("list")
def bench_list() -> None:
    """List the suites that come with the package."""
    from ganaug.bench import available_suites, load_suite

    for name in available_suites():
        print(f"{name:16} {visible(load_suite(name).title)}")


@bench_app.command("report")
def bench_report(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
) -> None:
    """Print the table of a run and write its pages anew; of an unfinished one, what there is so far.

    Ends with status 3 if it is unfinished, as 'bench run' with 1 if cells failed, and 2 on bad input.
    """
    from ganaug.bench.results.report import read_summary

    summary = read_summary(run)
    _print_summary(summary, run)
    if summary.get("unfinished"):
        raise typer.Exit(NOT_FINAL)
    if summary["failed"]:
        raise typer.Exit(1)


def _check_belongs_to_data(options: str, *values: Any) -> None:
    if any(value not in (None, []) for value in values):
        raise ValueError(f"{options} belong to --data")


def _own_data(data: str, options: CsvOptions, *, target: str | None, check: bool, **asked: Any) -> Any:
    """A suite on data of one's own; `check` is for one that is not run, and so not checked by its run."""
    from ganaug.bench.cases.custom import custom_suite
    from ganaug.bench.run import check_cases

    suite = custom_suite(data, target=target, csv=options, **asked)
    if check:
        check_cases(suite)
    if target is not None and os.path.isfile(data):
        report_reading(data, opened(data, options, [target], formats=False), categorical=False)
    return suite


def _within(suite: Any, budget: str, output: Path, jobs: int | None) -> Any:
    """The suite that a budget leaves; in a folder that holds one already, the same."""
    from ganaug.bench.cases.budget import read_duration, reduced_before, within_budget
    from ganaug.bench.execution.progress import duration_text
    from ganaug.bench.run import default_jobs

    seconds = read_duration(budget)
    if (before := reduced_before(suite, seconds, output)) is not None:
        return before
    smaller, expected = within_budget(suite, seconds, jobs or default_jobs(suite))
    less = f": {', '.join(smaller.reduced)}" if smaller.reduced else ", nothing is left out"
    if expected > seconds:
        less += f"; no more can be left out for a budget of {budget}"
    print(f"Expected to take about {duration_text(expected)}{less}.", file=sys.stderr)
    return smaller


def _file_name(data: str) -> str:
    return re.sub(r"[^\w.+-]", "_", Path(data).resolve().name)


def _command() -> str:
    """What was typed, less what only says how and where it is run."""
    kept, skip = [], False
    own = ("--jobs", "--backend", "--scheduler", "--shard", "--output", "-o")
    for word in sys.argv[1:]:
        if skip or word in own:
            skip = not skip
        elif not word.startswith(tuple(f"{option}=" for option in own if option.startswith("--"))):
            kept.append(word)
    return shlex.join(["ganaug", *kept])


def _print_part(output: Path) -> None:
    so_far = f"ganaug bench report {shlex.quote(str(output))}"
    print(f"This part is finished; the part that is finished last writes the report. What there is so far: {so_far}")


def _print_summary(summary: dict[str, Any], output: Path) -> None:
    from rich.console import Console
    from rich.markup import escape

    from ganaug.bench.results.records import ExperimentResult
    from ganaug.bench.results.report import absent

    summary = visible_values(summary)
    console = Console(width=None if sys.stdout.isatty() else 110, emoji=False)
    cautions, missing = summary.get("cautions", []), absent(summary)
    for sentence in cautions:
        console.print(f"[bold]{escape(sentence)}[/bold]")
    for experiment in map(ExperimentResult.from_dict, summary["experiments"]):
        declared = summary["suite"][experiment.kind]
        if experiment.overall:
            console.print(_overall(experiment, missing))
        for case in experiment.cases if len(experiment.cases) <= SHOWN_CASES else ():
            console.print(_table(case, declared["baselines"], experiment.compared[0], missing))
            for gan in case.gans:
                shares = zip(case.classes, gan.consistency, strict=True)
                listed = ", ".join(f"{name} {share:.0f} %" for name, share in shares)
                of = f" of {escape(gan.generator)}" if len(case.gans) > 1 else ""
                console.print(f"Synthetic images{of} of the class asked for: {escape(listed)}.")
        for note in experiment.notes:
            console.print(escape(f"Note: {note.arm}: {note.note} ({note.cells} cells)."))
    if summary["failed"]:
        console.print(f"{len(summary['failed'])} cells failed; the report says why.")
    for sentence in summary["verdicts"]:
        console.print(f"{'Verdict so far' if summary.get('unfinished') else 'Verdict'}: {escape(sentence)}")
    for sentence in cautions:
        console.print(f"[bold]{escape(sentence)}[/bold]")
    if "unwritten" not in summary:
        console.print(f"Report: {escape(visible(output / 'report.html'))}", soft_wrap=True)


def _table(case: CaseResult, bases: list[str], metric: str, absent: str) -> Any:
    from rich.markup import escape
    from rich.table import Table

    from ganaug.bench.results.report import difference_text

    table = Table(title=escape(f"{case.name}: {case.splits} splits"), title_justify="left")
    table.add_column("arm")
    table.add_column(f"{metric} (SD), %", justify="right")
    for base in bases:
        table.add_column(escape(f"against {base} [95 % interval]"), justify="right")
    table.add_column("seconds", justify="right")
    for arm in case.arms:
        differences = [arm.differences.get(base) for base in bases]
        table.add_row(
            escape(arm.title),
            _mean(arm, case.splits, absent),
            *(escape(difference_text(d)) if d else "" for d in differences),
            f"{(arm.seconds or 0) + arm.seconds_synthetic:.1f}",
        )
    return table


def _mean(arm: ArmResult, splits: int, absent: str) -> str:
    """Mean and spread over splits; how many, where they are not all; one split has no spread."""
    if arm.mean is None:
        return absent
    spread = "" if arm.deviation is None else f" ({arm.deviation:.2f})"
    return f"{arm.mean:.2f}{spread}" + (f", {arm.splits} of {splits}" if arm.splits < splits else "")


def _overall(experiment: ExperimentResult, absent: str) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        title=f"Means over {len(experiment.cases)} cases and the classifiers, in hundredths (mean rank)",
        title_justify="left",
    )
    table.add_column("arm")
    for metric in experiment.compared:
        table.add_column(metric, justify="right")
    for arm in experiment.overall:
        means, ranks = arm.metrics, arm.ranks
        shown = [f"{means[m]:.2f} ({ranks[m]:.2f})" if means and ranks else absent for m in experiment.compared]
        table.add_row(escape(arm.name), *shown)
    return table
