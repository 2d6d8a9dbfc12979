"""``ganaug fit audio`` and ``ganaug augment audio``: as for images, which sounds are read as."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ganaug.cli.common import (
    BatchSize,
    CheckpointEvery,
    Checkpoints,
    Device,
    DryRun,
    Groups,
    HealthOption,
    License,
    LogDir,
    Resume,
    Seed,
    ValidationFraction,
    augment_app,
    fit_app,
    run_options,
)
from ganaug.cli.images import (
    KeepAll,
    ModelOfSource,
    PerCellOfReal,
    PerClassOfReal,
    PrecisionOption,
    PresetOption,
    Steps,
    TrainedClass,
    Unlabelled,
    augment_and_write,
    fit_and_save,
    training_options,
)
from ganaug.cli.models import GeneratorName, Params
from ganaug.cli.outputs import Overwrite
from ganaug.cli.sound_files import Duration, Mel, SampleRate, Wav, audio_options, check_wav, write_sounds

if TYPE_CHECKING:
    from ganaug.data import LabelledImages

Source = Annotated[
    str, typer.Argument(help="Folder with a folder of sounds per class (WAV, FLAC, Ogg, MP3), or .parquet.")
]


@fit_app.command("audio")
def fit_audio(
    source: Source,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write the model to.")],
    sample_rate: SampleRate = None,
    duration: Duration = None,
    mel: Mel = None,
    generator: GeneratorName = "gan",
    preset: PresetOption = None,
    steps: Steps = None,
    batch_size: BatchSize = None,
    precision: PrecisionOption = None,
    unlabelled: Unlabelled = None,
    groups: Groups = None,
    param: Params = None,
    validation_fraction: ValidationFraction = None,
    device: Device = "auto",
    seed: Seed = None,
    log_dir: LogDir = None,
    checkpoints: Checkpoints = None,
    checkpoint_every: CheckpointEvery = None,
    resume: Resume = False,
    health: HealthOption = None,
    license: License = "unknown",
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
) -> None:
    """Train a class-conditional generator on labelled sounds, by images of their log-mel spectrograms.

    The model keeps how the spectrograms were made, for 'ganaug sample --wav', 'ganaug augment audio --model' and
    'ganaug audit'.
    """
    from ganaug.data import labelled_audio

    options = audio_options(sample_rate, duration, mel)
    run = run_options(checkpoints, checkpoint_every, resume, health, validation_fraction)
    asked = {**training_options(preset, steps, batch_size, precision, device, seed), **run, "log_dir": log_dir}
    fit_and_save(
        lambda: labelled_audio(source, groups=groups, **options),
        source,
        output,
        generator,
        asked,
        param,
        kind="sounds",
        groups=groups,
        unlabelled=unlabelled,
        license=license,
        overwrite=overwrite,
        dry_run=dry_run,
    )


@augment_app.command("audio")
def augment_audio(
    source: Source,
    output: Annotated[Path, typer.Option("--output", "-o", help="An .npz file to write spectrograms to.")],
    wav: Wav = None,
    sample_rate: SampleRate = None,
    duration: Duration = None,
    mel: Mel = None,
    per_class: PerClassOfReal = None,
    per_cell: PerCellOfReal = None,
    groups: Groups = None,
    model: ModelOfSource = None,
    keep_all: KeepAll = False,
    generator: TrainedClass = None,
    preset: PresetOption = None,
    steps: Steps = None,
    batch_size: BatchSize = None,
    precision: PrecisionOption = None,
    unlabelled: Unlabelled = None,
    param: Params = None,
    device: Device = "auto",
    seed: Seed = None,
    overwrite: Overwrite = False,
) -> None:
    """Add synthetic sounds to labelled ones, as spectrograms, and mark them: an array is_synthetic.

    The .npz file holds images, labels, is_synthetic, with --groups group, and spectrogram: how they were made.
    """
    from ganaug.data import labelled_audio

    if output.suffix.lower() != ".npz":
        raise ValueError(f"{output} must end in .npz, which holds spectrograms as they are")
    options = audio_options(sample_rate, duration, mel)
    if model is not None and options:
        raise ValueError("--sample-rate, --duration and --mel are those of --model; leave them out")
    check_wav(wav, [source, model, output])

    def read(gan: Any, groups: str | None) -> LabelledImages:
        return labelled_audio(source, groups=groups, **(options if model is None else {"mel": gan}))

    asked = training_options(preset, steps, batch_size, precision, device, seed)
    whole, more = augment_and_write(
        read,
        source,
        output,
        asked,
        param,
        kind="sounds",
        per_class=per_class,
        per_cell=per_cell,
        groups=groups,
        model=model,
        keep_all=keep_all,
        generator=generator,
        unlabelled=unlabelled,
        overwrite=overwrite,
    )
    if wav is not None:
        new = more.is_synthetic
        names = {label: whole.name(label) for label in whole.classes.tolist()}
        write_sounds(wav, more.images[new], more.labels[new], names, whole, seed)
