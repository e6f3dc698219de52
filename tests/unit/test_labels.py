"""Names beside points: inside the axes, apart from each other, readable where the figure is printed."""

import itertools

import matplotlib
import pytest

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.text import Text

from nanotrigger.plots import _labels
from nanotrigger.plots._style import (
    COLUMN,
    SMALLEST,
    STYLE,
    WIDTH,
    accuracy_points,
    legends_outside,
    published_points,
    smallest_text,
)


@pytest.fixture(autouse=True)
def style():
    with plt.style.context(STYLE):
        yield
    plt.close("all")


def drawn(x, y, names):
    figure, axes = plt.subplots(dpi=100)
    rows = {"model": names, "method": "m", "cost": x, "accuracy": y}
    rows |= {"accuracy_low": np.array(y) - 0.01, "accuracy_high": np.array(y) + 0.01}
    accuracy_points(axes, pd.DataFrame(rows), "cost", ["m"])
    return figure, axes


def boxes(figure, axes):
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    named = [t for t in axes.texts if t.get_gid() == _labels.NAME]
    for text in named:
        text.update_positions(renderer)
    return {t.get_text(): Text.get_window_extent(t, renderer) for t in named}, axes.get_window_extent(renderer)


def overlaps(found):
    return sum(_labels._overlap(a, b) > 1 for a, b in itertools.combinations(found.values(), 2))


QUICKSTART = ["hgq_1000", "hgq_3000", "hgq_10000", "hawq_250000", "hawq_300000"]
CROWDED = {
    "quickstart": ([976, 2111, 3284, 29096, 40172], [0.668, 0.670, 0.677, 0.678, 0.6795], QUICKSTART),
    "corners": ([1, 1, 1e6, 1e6], [0.5, 0.8, 0.5, 0.8], ["a_name_at_an_edge"] * 4),
    "one place": ([1000, 1001, 1002, 1e6], [0.7, 0.7001, 0.7002, 0.7003], ["first", "second", "third", "fourth"]),
    "line": (list(np.geomspace(500, 5000, 12)), list(np.linspace(0.7, 0.71, 12)), [f"model_{i:02}" for i in range(12)]),
}  # fmt: skip


@pytest.mark.parametrize("case", CROWDED)
def test_names_lie_inside_and_apart(case):
    x, y, names = CROWDED[case]
    names = [f"{name}{i}" for i, name in enumerate(names)] if len(set(names)) < len(names) else names
    figure, axes = drawn(x, y, names)
    before, frame = boxes(figure, axes)
    assert set(before) == set(names)
    _labels.place_labels(figure)
    found, frame = boxes(figure, axes)
    for name, box in found.items():
        assert frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1, name
    assert overlaps(found) == 0


def test_the_test_can_fail():
    """Names that all stand to the upper right of their points do leave the axes, and lie on each other."""
    figure, axes = drawn(*CROWDED["one place"])
    for text in axes.texts:
        _labels._move(text, (5, 5))
    found, _ = boxes(figure, axes)
    assert overlaps(found) > 0
    figure, axes = drawn(*CROWDED["quickstart"])
    for text in axes.texts:
        _labels._move(text, (5, 5))
    found, frame = boxes(figure, axes)
    assert found["hawq_300000"].x1 > frame.x1


def test_places_do_not_depend_on_the_order_of_the_points():
    x, y, names = CROWDED["line"]
    places = []
    for order in (slice(None), slice(None, None, -1)):
        figure, axes = drawn(x[order], y[order], names[order])
        _labels.place_labels(figure)
        places.append({t.get_text(): t.get_position() for t in axes.texts})
    assert places[0] == places[1]


def test_a_name_is_nearer_to_its_own_point():
    figure, axes = drawn([1000, 1100], [0.7, 0.7008], ["one_thousand", "eleven_hundred"])
    _labels.place_labels(figure)
    found, _ = boxes(figure, axes)
    anchors = {t.get_text(): np.array([axes.transData.transform(t.xy)]) for t in axes.texts}
    for name, box in found.items():
        other = next(n for n in anchors if n != name)
        assert _labels._distance(box, anchors[name])[0] < _labels._distance(box, anchors[other])[0]


def test_many_points_have_no_names():
    _, axes = drawn(list(range(1, 14)), [0.7] * 13, [f"m{i}" for i in range(13)])
    assert not axes.texts


def test_smallest_text_is_as_printed():
    figure, axes = plt.subplots(figsize=(WIDTH, 3))
    axes.set_title("title", fontsize=9.5)
    assert smallest_text(figure) == pytest.approx(9.5 * COLUMN / WIDTH)
    axes.text(0, 0, " ", fontsize=2)
    assert smallest_text(figure) > 6, "blanks are not read"
    axes.text(0, 0, "x", fontsize=5)
    assert smallest_text(figure) == pytest.approx(5 * COLUMN / WIDTH)
    assert SMALLEST * COLUMN / WIDTH >= 6


def test_the_legend_names_differences_and_exceptions():
    rows = pd.DataFrame(
        {
            "lut": [10, 20, 30, 40],
            "accuracy": [0.7] * 4,
            "standing": ["comparable", "excepted", "grey", "grey"],
            "differs": [None, None, "part", "stage, part"],
            "despite": [None, "clock", None, "dataset"],
        }
    )
    figure, axes = drawn([15], [0.7], ["ours"])
    published_points(axes, rows, "lut")
    legends_outside(figure)
    ours, below = ([text.get_text() for text in legend.get_texts()] for legend in figure.legends)
    assert ours == ["m"] and below == [
        "published, comparable",
        "published, compared despite: clock",
        "published, not comparable: part or stage\n(some shown at all only by an exception: dataset)",
    ]
    assert {line.get_markerfacecolor() for line in axes.lines if "published" in str(line.get_label())} == {"none"}
