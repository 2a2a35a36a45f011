"""The growth plot of ``bench.sql``: four charts side by side, as an SVG that reads well on light and dark pages."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

CHART_WIDTH, CHART_HEIGHT, GAP, LEFT, TOP, BOTTOM = 190, 150, 48, 56, 56, 44

_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #57606a }
.title { font-weight: 600; fill: #24292f } .axis { stroke: #d0d7de } .name { font-size: 11px }
.a { stroke: #0969da; fill: #0969da } .b { stroke: #bc4c00; fill: #bc4c00 } .c { stroke: #1a7f37; fill: #1a7f37 }
path { fill: none !important; stroke-width: 2 } .name.a, .name.b, .name.c { stroke: none }
@media (prefers-color-scheme: dark) {
  text { fill: #9198a1 } .title { fill: #f0f6fc } .axis { stroke: #3d444d }
  .a { stroke: #4493f8; fill: #4493f8 } .b { stroke: #f0883e; fill: #f0883e } .c { stroke: #3fb950; fill: #3fb950 }
}
"""


@dataclass(frozen=True, slots=True)
class GrowthPoint:
    """What was measured at one size; a figure that was not measured there is None. Seconds are processor time."""

    events: int
    import_rate: float
    query_seconds: float
    needle_seconds: float
    lookup_ms: float | None
    lake_bytes: int
    history_bytes: int | None


Line = tuple[str, list[tuple[int, float]]]


def write_plot(path: Path, points: Sequence[GrowthPoint]) -> None:
    """Write the plot of points of ascending sizes."""
    charts: list[tuple[str, str, list[Line]]] = [
        ("Import", "k events/s", [_line("import", points, lambda one: one.import_rate / 1e3)]),
        (
            "Queries",
            "s of processor time",
            [
                _line("whole mix", points, lambda one: one.query_seconds),
                _line("its needles", points, lambda one: one.needle_seconds),
            ],
        ),
        ("Lookups", "ms, median", [_line("Event history", points, lambda one: one.lookup_ms)]),
        (
            "Size",
            "MB",
            [
                _line("lake", points, lambda one: one.lake_bytes / 1e6),
                _line("Event history", points, lambda one: one.history_bytes and one.history_bytes / 1e6),
            ],
        ),
    ]
    width = LEFT + len(charts) * CHART_WIDTH + (len(charts) - 1) * GAP + 24
    height = TOP + CHART_HEIGHT + BOTTOM
    body = "".join(_chart(LEFT + at * (CHART_WIDTH + GAP), *chart) for at, chart in enumerate(charts))
    label = "Import rate, query time, lookup time and size as the number of events grows"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{label}">'
        f"<style>{_STYLE}</style>{body}</svg>\n"
    )


def _line(name: str, points: Sequence[GrowthPoint], value: Callable[[GrowthPoint], float | None]) -> Line:
    found = [(point.events, value(point)) for point in points]
    return name, [(events, number) for events, number in found if number is not None]


def _chart(left: int, title: str, unit: str, lines: Sequence[Line]) -> str:
    most = max((value for _, found in lines for _, value in found), default=1.0)
    top = _round_up(most)
    last = max((events for _, found in lines for events, _ in found), default=1)
    parts = [
        f'<text class="title" x="{left}" y="20">{title}</text><text x="{left}" y="37">{unit}</text>',
        *(_grid(left, share, top) for share in (0.0, 0.5, 1.0)),
    ]
    for number, (name, found) in enumerate(lines):
        mark = "abc"[number]
        places = [(left + CHART_WIDTH * events / last, _y(value / top)) for events, value in found]
        if not places:
            continue
        drawn = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        dots = "".join(f'<circle class="{mark}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in places)
        x, y = places[-1]
        parts.append(f'<path class="{mark}" d="{drawn}"/>{dots}')
        parts.append(f'<text class="name {mark}" x="{x:.1f}" y="{y - 8:.1f}" text-anchor="end">{name}</text>')
    for events in sorted({events for _, found in lines for events, _ in found}):
        x = left + CHART_WIDTH * events / last
        parts.append(f'<text x="{x:.1f}" y="{TOP + CHART_HEIGHT + 18}" text-anchor="middle">{events / 1e6:g}M</text>')
    return "".join(parts)


def _grid(left: int, share: float, top: float) -> str:
    y = _y(share)
    return (
        f'<path class="axis" style="stroke-width: 1" d="M{left} {y:.1f}h{CHART_WIDTH}"/>'
        f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{top * share:g}</text>'
    )


def _y(share: float) -> float:
    return TOP + CHART_HEIGHT * (1 - share)


def _round_up(value: float) -> float:
    """Return the next of 1, 2, 4, 6, 8 times a power of ten."""
    power = 1.0
    while power * 10 <= value:
        power *= 10
    while power > value:
        power /= 10
    return next(factor * power for factor in (1, 2, 4, 6, 8, 10) if factor * power >= value)
