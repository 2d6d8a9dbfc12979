"""Images out: sheets of labelled images as PNG."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["class_grid", "picture", "png_bytes", "shown_figure"]

GAP = 2  # pixels between images
SHOWN_SIDE = 48  # small images are enlarged to at least this
FONT_SIZE = 14
DOTS_PER_INCH = 100


def picture(image: NDArray[np.uint8], scale: int = 1) -> Image.Image:
    """Turn uint8 (channels, height, width) into a PIL image, enlarged by a whole factor.

    One channel is shown grey and three as RGB; of any other number the mean is shown.
    """
    if len(image) not in (1, 3):
        image = image.mean(0, keepdims=True).round().astype(np.uint8)
    array = image[0] if len(image) == 1 else image.transpose(1, 2, 0)
    shown = Image.fromarray(np.ascontiguousarray(array))
    return shown.resize((shown.width * scale, shown.height * scale), Image.Resampling.NEAREST)


def class_grid(
    rows: Sequence[tuple[str, NDArray[np.uint8]]], *, breaks: Sequence[int] = (), heading: str = ""
) -> Image.Image:
    """Draw one row of images per class, its name in front.

    Parameters
    ----------
    rows : sequence of (name, images)
        Images are uint8 (n, channels, height, width), all of one size.
    breaks : sequence of int
        Columns before which a wider gap is left.
    heading : str
        Text above the grid.

    Returns
    -------
    PIL.Image.Image
        RGB.

    Examples
    --------
    >>> import numpy as np
    >>> class_grid([("cat", np.zeros((3, 1, 8, 8), np.uint8))]).mode
    'RGB'
    """
    _, _, height, width = rows[0][1].shape
    scale = max(1, -(-SHOWN_SIDE // max(height, width)))
    height, width = height * scale, width * scale
    columns = max(len(images) for _, images in rows)
    font = ImageFont.load_default(FONT_SIZE)
    label_width = int(max(font.getlength(name) for name, _ in rows)) + 4 * GAP
    row_height = max(height, FONT_SIZE + GAP) + GAP
    top = FONT_SIZE + 4 * GAP if heading else GAP

    def left(column: int) -> int:
        return label_width + column * (width + GAP) + 8 * GAP * sum(b <= column for b in breaks)

    sheet_width = max(left(columns - 1) + width + GAP, int(font.getlength(heading)) + 4 * GAP)
    sheet = Image.new("RGB", (sheet_width, top + len(rows) * row_height), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((2 * GAP, GAP), heading, fill="black", font=font)
    for i, (name, images) in enumerate(rows):
        y = top + i * row_height
        draw.text((2 * GAP, y + (height - FONT_SIZE) // 2), name, fill="black", font=font)
        for column, image in enumerate(images):
            sheet.paste(picture(image, scale), (left(column), y))
    return sheet


def png_bytes(image: Any) -> bytes:
    """Encode a PIL image as PNG."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def shown_figure(picture: Image.Image, *, window: bool) -> Figure:
    """A picture as a figure of matplotlib, pixel by pixel, which a notebook shows as the result of a cell.

    Parameters
    ----------
    picture : PIL.Image.Image
    window : bool
        Whether it opens in a window too, outside a notebook and where there is a screen.

    Examples
    --------
    >>> shown_figure(Image.new("RGB", (200, 100)), window=False).get_size_inches().tolist()
    [2.0, 1.0]
    """
    from matplotlib.figure import Figure

    class SampleFigure(Figure):
        def _repr_png_(self) -> bytes:
            buffer = io.BytesIO()
            self.savefig(buffer, format="png")
            return buffer.getvalue()

    options: dict[str, Any] = {"figsize": (picture.width / DOTS_PER_INCH, picture.height / DOTS_PER_INCH)}
    options["dpi"] = DOTS_PER_INCH
    interactive = False
    if window and "ipykernel" not in sys.modules:
        import matplotlib.pyplot as plt
        from matplotlib.backends import BackendFilter, backend_registry

        interactive = plt.get_backend().lower() in backend_registry.list_builtin(BackendFilter.INTERACTIVE)
    figure: Figure = plt.figure(FigureClass=SampleFigure, **options) if interactive else SampleFigure(**options)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(np.asarray(picture), interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    if interactive:
        plt.show()
    return figure
