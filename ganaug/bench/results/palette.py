"""How a report's charts tell lines and verdicts apart, on the page in light and in dark and in the SVG files."""

from __future__ import annotations

__all__ = ["DASHES", "GAIN", "HARM", "LINES", "UNCLEAR"]

# Each colour on white paper and on a dark page: those of Okabe and Ito (Color Universal Design, 2008), made for any
# kind of colour vision, without the yellow; where one contrasts by less than 3:1, a darker or lighter one of its hue.
BLUE, VERMILION = ("#0072b2", "#1f86c9"), ("#d55e00", "#d55e00")
LINES = (
    BLUE,
    VERMILION,
    ("#009e73", "#009e73"),
    ("#cc79a7", "#cc79a7"),
    ("#000000", "#ffffff"),
    ("#2f93c9", "#56b4e9"),
    ("#b87a00", "#e69f00"),
    ("#6b7280", "#a3aebd"),
)
DASHES = ("none", "7 3", "2 2", "9 3 2 3", "12 3", "4 4", "1 3", "6 2 2 2 2 2")  # of each line
GAIN, HARM, UNCLEAR = BLUE, VERMILION, ("#5b6675", "#a3aebd")
