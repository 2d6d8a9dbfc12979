"""``ganaug export``: the generator of a saved model as one file that needs no ganaug."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ganaug.cli.common import app
from ganaug.cli.models import ModelClass, open_model
from ganaug.cli.outputs import Overwrite, check_output, is_export, remember


class ExportFormat(StrEnum):
    """Formats of ImageGAN.export."""

    onnx = "onnx"
    torch_export = "torch_export"


@app.command()
def export(
    model: Annotated[Path, typer.Argument(help="Folder written by 'ganaug fit images'.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write, such as gan.onnx or gan.pt2.")],
    export_format: Annotated[
        ExportFormat | None, typer.Option("--format", help="By default torch_export for .pt2, otherwise onnx.")
    ] = None,
    generator: ModelClass = None,
    overwrite: Overwrite = False,
) -> None:
    """Write the generator to one file for ONNX runtimes or torch.export: latents and classes in, uint8 images out."""
    from ganaug.generators.images.export import check_format, format_of

    gan = open_model(model, "cpu", generator)
    if gan.sample_spec_.kind == "rows":
        raise ValueError(f"{model} draws rows of a table, which need its encoder too; only images can be exported")
    if not hasattr(gan, "export"):
        raise ValueError(f"{model} holds a {type(gan).__name__}, which has no export; pass another model")
    check_output(output, [model], folder=False, own=is_export, overwrite=overwrite)
    name = export_format.value if export_format else format_of(output)
    check_format(output, name)
    gan.export(output, format=name)
    remember(output)
    print(f"Wrote the generator ({name}) to {output}: images of {len(gan.classes_)} classes.")
