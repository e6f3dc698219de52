"""Names beside points: placed where they cover least, and inside their axes."""

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.transforms import Bbox

NAME = "name of a point"
SIZE = 9.2
DISTANCES = (7, 14, 22, 32, 44, 60)
"""From a point to its name, in points."""

NAMES_APART = 10.0
"""Cost of covering another name, the smallest part of it too; names that cover less of other things stand nearer."""

LEADER = 14
"""From this distance on a thin line joins both."""

ANGLES = [math.radians(a) for a in (45, -45, 135, -135, 90, -90, 0, 180, 20, -20, 160, -160)]


def name_point(axes: Any, name: str, x: float, y: float) -> None:
    """Name the point at x, y; where the name stands is decided when all else is drawn."""
    leader = {"arrowstyle": "-", "linewidth": 0.4, "color": "#777777", "shrinkA": 0, "shrinkB": 2}
    text = axes.annotate(name, (x, y), (0, 0), textcoords="offset points", fontsize=SIZE, arrowprops=leader, gid=NAME)
    text.set_in_layout(False)


def place_labels(figure: Any) -> None:
    """Move every name to the nearest place inside its axes that covers neither points nor other names.

    Where there is none, to the one that covers least; names are never outside the axes if they fit there at all. Places do
    not depend on the order in which points were drawn.
    """
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    for axes in figure.axes:
        names = [text for text in axes.texts if text.get_gid() == NAME]
        if not names:
            continue
        frame = axes.get_window_extent(renderer).padded(-3 * figure.dpi / 72)
        covered = _points(axes, 3 * figure.dpi / 72)
        anchors = [tuple(axes.transData.transform(text.xy)) for text in names]
        for _, text in sorted(zip(anchors, names, strict=True), key=lambda pair: (pair[0], pair[1].get_text())):
            own = np.array(axes.transData.transform(text.xy))
            others = np.array([a for a in anchors if not np.allclose(a, own)]).reshape(-1, 2)
            places = _places(text, frame, covered, own, others, renderer)
            _, offset, box = min(places, key=lambda place: place[0])
            _move(text, offset)
            text.arrow_patch.set_visible(math.hypot(*offset) >= LEADER)
            covered.append((box.padded(2), NAMES_APART))


def _move(text: Any, offset: tuple[float, float]) -> None:
    text.set_position(offset)
    text.set_horizontalalignment("left" if offset[0] > 2 else "right" if offset[0] < -2 else "center")
    text.set_verticalalignment("bottom" if offset[1] > 2 else "top" if offset[1] < -2 else "center")


def _places(text, frame, covered, own, others, renderer):
    """(cost, offset, box) of every place of a name: what it covers, whether it seems another point's, then how far it is."""
    from matplotlib.text import Text

    for rank, (distance, angle) in enumerate(itertools.product(DISTANCES, ANGLES)):
        offset = (distance * math.cos(angle), distance * math.sin(angle))
        _move(text, offset)
        text.update_positions(renderer)
        box = Text.get_window_extent(text, renderer)  # of the words alone, without the leader
        area = box.width * box.height
        inside = _overlap(box, frame)
        cost = 100 * (area - inside) / area + sum(_cost(_overlap(box, other) / area, w) for other, w in covered)
        if len(others) and _distance(box, others).min() <= 1.5 * _distance(box, own[None])[0]:
            cost += 0.5
        yield cost + 0.01 * rank, offset, box


def _distance(box: "Bbox", points: np.ndarray) -> np.ndarray:
    """From a box to points (n, 2), in pixels."""
    outside = np.maximum(np.maximum([box.x0, box.y0] - points, points - [box.x1, box.y1]), 0)
    return np.hypot(*outside.T)


def _cost(share: float, weight: float) -> float:
    return weight * share + (share > 0 and weight >= NAMES_APART)


def _overlap(a: "Bbox", b: "Bbox") -> float:
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    return max(width, 0) * max(height, 0)


def _points(axes: Any, radius: float) -> list[tuple["Bbox", float]]:
    """Boxes around what is drawn in the axes, markers and error bars, with the weight of covering them."""
    from matplotlib.transforms import Bbox

    boxes = []
    for line in axes.lines:
        if not line.get_transform().contains_branch(axes.transData) or line.get_marker() in ("None", "", None):
            continue
        xy = line.get_transform().transform(np.column_stack(line.get_data()).astype(float))
        boxes += [(Bbox([p - radius, p + radius]), 2.0) for p in xy[np.isfinite(xy).all(1)]]
    for collection in axes.collections:  # error bars are segments
        for segment in getattr(collection, "get_segments", list)():
            xy = collection.get_transform().transform(np.asarray(segment))
            if len(xy) and np.isfinite(xy).all():
                boxes.append((Bbox([xy.min(0) - radius / 4, xy.max(0) + radius / 4]), 0.6))
    return boxes
