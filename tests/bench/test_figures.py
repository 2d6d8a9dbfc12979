import pytest

from ganaug.bench.results.figures import curve_chart

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
