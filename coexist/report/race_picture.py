"""The race of a boot as a picture: a lane for each server, packets between the lanes, and where it fell.

Time runs from left to right and is drawn so that milliseconds and minutes can both be seen: a gap is as wide
as the logarithm of its length, and wide enough for each moment to have its own label. What a mark means is
said in words below it, and as the mark's title.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log1p
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from coexist.analysis.timeline import Event
from coexist.report.prose import instant

_LANE = 34
_TOP = 26
_LEFT = 132
_BESIDE, _NARROWEST, _WIDEST = 17.0, 62.0, 190.0
"""Pixels between events of one moment, and between moments: the narrowest holds a label (``12.0003 s``)."""
_CLIENT = "client"

_MARKS = {
    "send": ("asks", "circle"),
    "reply": ("answers", "square"),
    "silent": ("is silent", "ring"),
    "lost": ("is lost", "cross"),
    "heard": ("takes", "triangle"),
    "ignored": ("ignores", "ring"),
    "timer": ("waits", "bar"),
    "boot": ("boots", "star"),
    "gave up": ("gives up", "cross"),
}
"""What an event is called, and the shape that stands for it: shapes differ where colours may not."""


def race_picture(events: Sequence[Event], title: str) -> str:
    """An SVG of the events, to stand in a page: it takes its colours from the page's style sheet."""
    lanes = [_CLIENT, *dict.fromkeys(event.server for event in events if event.server)]
    places = _places([event.at for event in events])
    width = _LEFT + max(places, default=0.0) + 40
    height = _TOP + _LANE * len(lanes) + 22
    size = {"width": f"{width:.0f}", "height": str(height)}
    svg = Element("svg", {"class": "race", "viewBox": f"0 0 {width:.0f} {height}", **size, "role": "img"})
    SubElement(svg, "title").text = title
    _lanes(svg, lanes, width)
    _axis(svg, [event.at for event in events], places, height)
    for number, (event, x) in enumerate(zip(events, places, strict=True), start=1):
        _event(svg, number, event, lanes, _LEFT + x)
    return ElementTree.tostring(svg, encoding="unicode")


def _places(times: Sequence[float]) -> list[float]:
    """Where each event stands, in pixels from the first; those of one moment stand beside each other."""
    places: list[float] = []
    x, before = 0.0, None
    for at in times:
        if before is not None:
            same = instant(at) == instant(before)
            x += _BESIDE if same else min(_NARROWEST + 18 * log1p(20 * (at - before)), _WIDEST)
        places.append(x)
        before = at
    return places


def _middle(lanes: Sequence[str], name: str) -> float:
    return _TOP + _LANE * (lanes.index(name or _CLIENT) + 0.5)


def _lanes(svg: Element, lanes: Sequence[str], width: float) -> None:
    for name in lanes:
        y = f"{_middle(lanes, name):.0f}"
        SubElement(
            svg, "line", {"class": "lane", "x1": str(_LEFT - 6), "x2": f"{width:.0f}", "y1": y, "y2": y}
        )
        label = SubElement(svg, "text", {"class": "name", "x": str(_LEFT - 12), "y": y, "dy": "4"})
        label.text = name if len(name) <= 18 else name[:17] + "\u2026"


def _axis(svg: Element, times: Sequence[float], places: Sequence[float], height: int) -> None:
    """Each moment once, below its first event."""
    shown = ""
    for at, x in zip(times, places, strict=True):
        text = instant(at)
        if text != shown:
            label = SubElement(svg, "text", {"class": "time", "x": f"{_LEFT + x:.0f}", "y": str(height - 6)})
            label.text = shown = text


def _event(svg: Element, number: int, event: Event, lanes: Sequence[str], x: float) -> None:
    _, shape = _MARKS.get(event.kind, ("", "bar"))
    group = SubElement(svg, "g", {"class": f"event {event.kind.replace(' ', '-')}"})
    SubElement(group, "title").text = f"{instant(event.at)}  {event.text}"
    at = event.server if event.kind in ("silent", "reply", "lost", "boot") else ""
    y = _middle(lanes, at)
    if event.kind in ("reply", "heard", "boot") and event.server:
        top, bottom = _middle(lanes, ""), _middle(lanes, event.server)
        place = {"x1": f"{x:.1f}", "x2": f"{x:.1f}", "y1": f"{top:.0f}", "y2": f"{bottom:.0f}"}
        SubElement(group, "line", place)
    _mark(group, shape, x, y)
    label = SubElement(group, "text", {"class": "number", "x": f"{x + 7:.1f}", "y": f"{y - 7:.0f}"})
    label.text = str(number)


_POINTS = {
    "square": ((-5, -5), (5, -5), (5, 5), (-5, 5)),
    "triangle": ((-6, -5), (6, -5), (0, 6)),
    "bar": ((-2, -7), (2, -7), (2, 7), (-2, 7)),
    "cross": (
        *((-6, -4), (-4, -6), (0, -2), (4, -6), (6, -4), (2, 0)),
        *((6, 4), (4, 6), (0, 2), (-4, 6), (-6, 4), (-2, 0)),
    ),
    "star": ((0, -8), (2, -3), (8, -2), (3, 2), (5, 8), (0, 5), (-5, 8), (-3, 2), (-8, -2), (-2, -3)),
}


def _mark(group: Element, shape: str, x: float, y: float) -> None:
    if shape in ("circle", "ring"):
        SubElement(group, "circle", {"class": shape, "cx": f"{x:.1f}", "cy": f"{y:.0f}", "r": "5"})
        return
    points = " ".join(f"{x + dx:.1f},{y + dy:.0f}" for dx, dy in _POINTS[shape])
    SubElement(group, "polygon", {"class": shape, "points": points})
