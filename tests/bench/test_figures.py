import pytest

from ganaug.bench.results.figures import curve_chart
from ganaug.bench.results.palette import DASHES, GAIN, HARM, LINES, UNCLEAR

GAINS = {"classical": [[10, 1.0, 0.5, 1.5], [100, 2.0, 1.0, 3.0]], "real": [], "gan": [[10, 1.0, -1.0, 3.0]]}


def test_intervals_at_one_place_stand_beside_each_other_and_inside_the_chart():
    chart = curve_chart(GAINS, logarithmic=True, zero=True)
    assert [(line["name"], line["number"]) for line in chart["lines"]] == [("classical", 0), ("gan", 2)]
    classical, gan = (line["bars"] for line in chart["lines"])
    at_10 = chart["x_ticks"][0]["at"]
    assert classical[0]["x"] < at_10 < gan[0]["x"]
    assert at_10 - classical[0]["x"] == pytest.approx(gan[0]["x"] - at_10)
    assert [(bar["y1"], bar["y2"]) for bar in (classical[1], gan[0])] == [(85.0, 10.0), (160.0, 10.0)]
    many = curve_chart({str(i): GAINS["classical"] for i in range(40)}, logarithmic=True)
    places = [bar["x"] for line in many["lines"] for bar in line["bars"]]
    assert min(places) == 40
    assert max(places) == 310


def test_lines_without_intervals_meet_where_they_are():
    chart = curve_chart({"real": [[10, 1.0]], "gan": [[10, 1.0]]})
    assert [line["dots"] for line in chart["lines"]] == [[{"x": 175.0, "y": 160.0}]] * 2
    assert all(line["bars"] == [] for line in chart["lines"])


def test_no_two_of_many_lines_look_alike():
    lines = curve_chart({str(i): [[10, 1.0]] for i in range(len(LINES) * len(DASHES))})["lines"]
    assert len({(line["number"], line["dash"]) for line in lines}) == len(lines)


def test_every_colour_stands_out_from_the_page():
    for on_white, on_dark in (*LINES, GAIN, HARM, UNCLEAR):
        assert contrast(on_white, "#ffffff") >= 3  # WCAG 2.2, 1.4.11
        assert contrast(on_dark, "#14181f") >= 3


def contrast(one, other):
    def luminance(colour):
        values = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)
