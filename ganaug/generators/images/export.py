"""A generator as one file that needs no ganaug: ONNX, or a program of ``torch.export``.

TorchScript is not among the formats: torch warns that ``torch.jit.trace``, ``script`` and ``load`` are deprecated, and
names ``torch.export`` in their place.
"""

from __future__ import annotations

import copy
import importlib
import io
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from ganaug.data.files import write_atomically
from ganaug.data.images.pixel_scale import PixelScale

__all__ = ["FORMATS", "METADATA", "check_format", "export_generator", "format_of"]

FORMATS = {"onnx": ".onnx", "torch_export": ".pt2"}
INPUTS = ("latents", "classes", "groups")  # the last of generators that are conditioned on groups
METADATA = "ganaug.json"  # the file inside of a .pt2 that holds the metadata


def format_of(path: str | Path) -> str:
    """Format that a file's name asks for: "torch_export" for .pt2, otherwise "onnx"."""
    endings = {ending: name for name, ending in FORMATS.items()}
    return endings.get(Path(path).suffix.lower(), "onnx")


def check_format(path: str | Path, format: str) -> None:
    """Refuse, before the work, a format that is unknown, lacks a package, or contradicts the file's name.

    Raises
    ------
    ValueError
    """
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(map(repr, FORMATS))}, got {format!r}; choose one of them")
    if Path(path).is_dir():
        raise ValueError(f"{path} is a folder; pass the name of a file such as {Path(path) / f'gan{FORMATS[format]}'}")
    meant, ending = format_of(path), Path(path).suffix.lower()
    if ending in FORMATS.values() and meant != format:
        raise ValueError(f"{path} ends in {ending}, got format {format!r}; pass {meant!r} or rename the file")
    if ending not in ("", FORMATS[format]):
        names = " or ".join(Path(path).with_suffix(suffix).name for suffix in FORMATS.values())
        raise ValueError(f"{path} ends in {ending}, which is no format of a generator; name it {names}")
    if format == "onnx":
        try:
            for package in ("onnx", "onnxscript"):
                importlib.import_module(package)
        except ImportError as error:
            raise ValueError(
                f"format 'onnx' needs the package {error.name}, which is not there: pip install \"ganaug[onnx]\""
            ) from None


def export_generator(
    network: Any, path: str | Path, format: str, metadata: Mapping[str, Any], scale: PixelScale
) -> None:
    """Write a generator to a file of its own.

    Parameters
    ----------
    network : Module
        As :class:`ImageSampling` draws from. Copied to the CPU; stays as it is.
    path : path-like
    format : {"onnx", "torch_export"}
    metadata : mapping
        JSON values that the file carries along.
    scale : PixelScale
        From what the network draws to the images that the file gives.

    Raises
    ------
    ValueError
        As :func:`check_format`.
    """
    check_format(path, format)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch 2.11 warns of code of its own
        program = _program(network, scale)
        write_atomically(path, (_onnx if format == "onnx" else _pt2)(program, metadata))


class _Pixels(nn.Module):
    """A generator of images in their own scale."""

    def __init__(self, network: Any, scale: PixelScale) -> None:
        super().__init__()
        self.network = network
        self.scale = scale

    def forward(self, latents: Tensor, classes: Tensor, groups: Tensor | None = None) -> Tensor:
        conditions = classes if groups is None else torch.stack([classes, groups], dim=1)
        return self.scale.from_network(self.network(latents, conditions))


@torch.no_grad()
def _program(network: Any, scale: PixelScale) -> ExportedProgram:
    # In the ordinary layout: convolutions in channels-last would be stored as views.
    plain = copy.deepcopy(network).cpu().to(memory_format=torch.contiguous_format).requires_grad_(False).eval()
    # Tensors of their own: torch takes the same one, given twice, for one input.
    positions = [torch.zeros(2, dtype=torch.int64) for _ in range(2 if network.arch.n_groups else 1)]
    inputs = (torch.zeros(2, network.arch.latent_dim), *positions)
    n = torch.export.Dim("n")
    program = torch.export.export(_Pixels(plain, scale), inputs, dynamic_shapes=tuple({0: n} for _ in inputs))
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # names the folders of this machine
    return program


def _pt2(program: ExportedProgram, metadata: Mapping[str, Any]) -> bytes:
    file = io.BytesIO()
    torch.export.save(program, file, extra_files={METADATA: json.dumps(metadata, ensure_ascii=False)})
    return file.getvalue()


def _onnx(program: ExportedProgram, metadata: Mapping[str, Any]) -> bytes:
    names = list(INPUTS[: len(program.graph_signature.user_inputs)])
    exported = torch.onnx.export(program, dynamo=True, verbose=False, input_names=names, output_names=["images"])
    assert exported is not None
    model = exported.model_proto
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "n"
    del model.graph.value_info[:]  # shapes in between, which name the free one otherwise
    for part in (*model.graph.node, *model.graph.input, *model.graph.output):
        del part.metadata_props[:]  # where in the code each comes from
    for name, value in metadata.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        model.metadata_props.add(key=name, value=text)
    return model.SerializeToString(deterministic=True)
