"""A query's answer as a chart, drawn by Vega-Lite: a PNG, an SVG, or a page of HTML without scripts."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import chart_page
import vl_convert
from chart_page import label
from command_line import WrongUse
from private_files import write_private
from shown_text import shown

SIZE = {"width": 720, "height": 360}
# Of a phone's page, axes and names included.
NARROW = 350
# More points, more bars of names, or more colours, can't be read.
MOST_ROWS = 2_000
MOST_BARS = 60
# From here on points of a line are not marked, and bars over time are one shape.
MOST_POINTS = 120
MOST_IN_TABLE = 200
LEAST_IN_TABLE = 30
# Pixels: of a bar with its gap; of a bar if there are few.
BAR, THICK, FEW = 24, 32, 8
# No red or green among the first: no name is good or bad.
COLORS = ["#4c78a8", "#f2a65a", "#72b7b2", "#b279a2", "#eeca3b", "#9d755d", "#bab0ac", "#54a24b", "#ff9da6", "#e45756", "#7b6bb0", "#2f6f6b"]
SCALE = 2
FONT = 'font-family="sans-serif"'
# Of an SVG: digits past hundredths of a pixel, and attributes that say what is so without them or nothing to an image.
_DIGITS = re.compile(r"(\.\d\d)\d+")
_NEEDLESS = re.compile(rf' (?:aria-[a-z]+|role|class|pointer-events)="[^"]*"| (?:opacity|stroke-width|fill-opacity)="1"| {FONT}| xmlns:xlink="[^"]*"')


@dataclass(frozen=True)
class Chart:
    """A mark, the columns of both axes and, perhaps, that of the colour."""

    mark: str
    x: str
    y: str
    color: str | None = None
    label: str | None = None

    @classmethod
    def parse(cls, text: str) -> Chart:
        """Of `MARK X Y [COLOR] [label:COLUMN]`, as saved queries have it."""
        words = text.split()
        label = words.pop().removeprefix("label:") if words and words[-1].startswith("label:") else None
        if not 3 <= len(words) <= 4 or words[0] not in ("bar", "line"):
            raise WrongUse(f"a chart is `bar X Y [COLOR]` or `line X Y [COLOR]`, not {text!r}")
        return cls(*words, label=label)

    def split(self, before: str | None, by: str) -> Chart:
        """The same of an answer that is split by the column `by`, and was by `before`."""
        if before:
            x, color = (by if each == before else each for each in (self.x, self.color))
            return replace(self, x=x, color=color)
        return replace(self, color=self.color or by, label=None)

    def write(self, path: Path, title: str, rows: list[dict[str, Any]], footer: str = "") -> None:
        """Draws `rows`, in the form that the file's name asks for, with `footer` below."""
        needed = {self.x, self.y, self.color or self.x, self.label or self.x}
        missing = needed - rows[0].keys() if rows else set()
        if missing:
            raise WrongUse(f"the answer has no column {', '.join(sorted(missing))}")
        if path.suffix == ".html":
            return write_private(path, self._page(title, rows, footer).encode())
        drawn, left = self._cut(rows, MOST_ROWS)
        spec = _with_footer(self._spec(title, drawn), f"{footer}{left}")
        if path.suffix == ".png":
            content = vl_convert.vegalite_to_png({**spec, "background": "white"}, scale=SCALE)
        elif path.suffix == ".svg":
            # Its ground is white, as a PNG's: whatever shows it may be dark.
            content = _compact(vl_convert.vegalite_to_svg({**spec, "background": "white"})).encode()
        else:
            raise WrongUse(f"{path} must end in .png, .svg or .html")
        write_private(path, content)

    def _page(self, title: str, rows: list[dict[str, Any]], footer: str) -> str:
        """The page, with as many rows as it has room for."""
        most, in_table = MOST_ROWS, MOST_IN_TABLE
        while True:
            drawn, left = self._cut(rows, most)
            listed = self._newest(rows, in_table)
            unlisted = f" · the table has {len(listed):,} of {len(rows):,} rows" if len(listed) < len(rows) else ""
            wide, narrow = (self._spec("", drawn, is_narrow=its) for its in (False, True))
            text = chart_page.page(title, (*_drawings(wide), *_drawings(narrow)), listed, f"{footer}{left}{unlisted}")
            if len(text.encode()) < chart_page.LIMIT or len(drawn) < FEW:
                return text
            # The drawing says more than a long table.
            if in_table > LEAST_IN_TABLE:
                in_table = LEAST_IN_TABLE
            else:
                most = min(most, len(drawn)) * 4 // 5

    def _cut(self, rows: list[dict[str, Any]], most: int) -> tuple[list[dict[str, Any]], str]:
        """The rows that are drawn, and what to say of the others."""
        drawn = self._newest(rows, min(most, MOST_BARS) if self._is_horizontal(rows) else most)
        which = "last" if self._is_of_time(rows) else "first"
        return drawn, f" · drawn are the {which} {len(drawn):,} of {len(rows):,} rows" if len(drawn) < len(rows) else ""

    def _newest(self, rows: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
        """The newest rows of a time, or else the first ones."""
        return rows[-most:] if self._is_of_time(rows) else rows[:most]

    def _is_of_time(self, rows: list[dict[str, Any]]) -> bool:
        return bool(rows) and isinstance(rows[0][self.x], date)

    def _is_horizontal(self, rows: list[dict[str, Any]]) -> bool:
        """Whether it has bars of names, which are read from left to right."""
        return self.mark == "bar" and bool(rows) and not self._is_of_time(rows)

    def _is_grouped(self) -> bool:
        """Whether bars of several colours are side by side, since their sum means nothing."""
        is_sum = self.y != "percent" and not self.y.endswith("_percent") and self.color != "currency"
        return self.mark == "bar" and self.color is not None and not is_sum

    def _spec(self, title: str, rows: list[dict[str, Any]], *, is_narrow: bool = False) -> dict[str, Any]:
        # By names of ours: Vega reads a column's own name as a path.
        given = {"x": self.x, "y": self.y, **({"color": self.color} if self.color else {})}
        values = [{name: _plain(row[column]) for name, column in given.items()} for row in rows]
        titles = {name: label(column) for name, column in given.items()}
        axis = _axis([row[self.x] for row in rows], self.mark)
        x = {"field": "x", **axis, "title": titles["x"], "axis": {**axis.get("axis", {}), "labelLimit": 110 if is_narrow else 240, "titlePadding": 12}}
        y = {"field": "y", "type": "quantitative", "title": titles["y"]}
        is_horizontal = self._is_horizontal(rows)
        # Numbers side by side are wider than numbers one above the other, and half an event is none.
        ticks = {"tickCount": 4 if is_narrow else 8} if is_horizontal else {}
        if all(isinstance(each["y"], int) for each in values):
            ticks["tickMinStep"] = 1
        y["axis"] = {**ticks, "labelSeparation": 6}
        encoding: dict[str, Any] = {"x": y, "y": x} if is_horizontal else {"x": x, "y": y}
        if self.color:
            encoding["color"] = {"field": "color", "type": "nominal", "title": titles["color"]}
            if self._is_grouped():
                encoding["yOffset" if is_horizontal else "xOffset"] = {"field": "color", "type": "nominal", "sort": None}
        mark: dict[str, Any] = {"type": self.mark, **({"point": True} if self.mark == "line" and len(rows) <= MOST_POINTS else {})}
        if self.mark == "bar" and not is_horizontal and not self.color and len(rows) > MOST_POINTS:
            # So many bars side by side look the same as one shape, which takes a tenth of the bytes.
            mark = {"type": "area", "interpolate": "step-after"}
            x.pop("timeUnit", None)
        size = SIZE
        if is_horizontal:
            bars = len({each["x"] for each in values})
            if self._is_grouped():
                bars = len(values)
            size = {**SIZE, "height": max(SIZE["height"], BAR * bars)}
            mark["height"] = {"band": 0.7} if bars > FEW or self._is_grouped() else THICK
        drawn: dict[str, Any] = {"mark": mark}
        if self.label and is_horizontal and not self.color:
            for value, row in zip(values, rows, strict=True):
                value["label"] = shown(f"{row[self.y]:,} · {row[self.label]} %" if row[self.label] is not None else f"{row[self.y]:,}")
            text = {"mark": {"type": "text", "align": "left", "dx": 4}, "encoding": {"text": {"field": "label"}}}
            drawn = {"layer": [{"mark": mark}, text]}
        if is_narrow:
            size = {"height": size["height"], "width": NARROW}
        legend = {"legend": {"orient": "bottom", "columns": 2, "labelLimit": 130}} if is_narrow else {}
        return {
            "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
            **({"title": {"text": shown(title), "anchor": "start"}} if title else {}),
            **size,
            **({"autosize": {"type": "fit-x", "contains": "padding"}} if is_narrow else {}),
            # A browser's font may be wider than the one that was measured.
            "padding": {"left": 5, "top": 5, "right": 32 if is_narrow and self.label else 5 if is_narrow else 20, "bottom": 5},
            # Vega-Lite writes titles into an expression of Vega's for what a screen reader says of a mark.
            "config": {"aria": False, "range": {"category": COLORS}, **legend},
            "data": {"values": values},
            "encoding": encoding,
            **drawn,
        }


def _with_footer(spec: dict[str, Any], footer: str) -> dict[str, Any]:
    """A line below the whole chart."""
    if not footer:
        return spec
    outer = {key: spec.pop(key) for key in ("$schema", "config", "padding")}
    below = {"text": shown(footer), "orient": "bottom", "anchor": "start", "fontSize": 11, "fontWeight": "normal"}
    return {**outer, "title": below, "vconcat": [spec]}


def _drawings(spec: dict[str, Any]) -> tuple[str, str]:
    """The chart as SVG, for a light and for a dark ground."""
    # The theme has words of axes and legends in white, but none of bars.
    dark = {**spec, "config": {**spec["config"], "text": {"fill": "#fff"}}}
    light_svg, dark_svg = (
        _compact(vl_convert.vegalite_to_svg({**each, "background": "transparent"}, theme=theme))
        for each, theme in ((spec, None), (dark, "dark"))
    )
    return light_svg, dark_svg


def _compact(svg: str) -> str:
    """The same with fewer bytes; texts, in which no `<` is, stay as they are."""
    svg = re.sub(r"<[^>]+>", lambda tag: _NEEDLESS.sub("", _DIGITS.sub(r"\1", tag[0])), svg)
    return svg.replace("<svg ", f"<svg {FONT} ", 1)


def _plain(value: Any) -> Any:
    """A value as JSON has it; times are in UTC, which Vega would not guess."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, (int, float, type(None))):
        return value
    if isinstance(value, datetime):
        return value.replace(tzinfo=value.tzinfo or timezone.utc).isoformat()
    return shown(str(value))


def _axis(values: list[Any], mark: str) -> dict[str, Any]:
    """How an axis of such values runs: as time does, or in the order of the answer."""
    value = values[0] if values else None
    if isinstance(value, datetime):
        # A bar is as wide as its hour or minute; the points of a line are where they are.
        times = [each for each in values if each is not None]
        unit = {}
        if mark == "bar" and not any(each.second or each.microsecond for each in times):
            unit = {"timeUnit": "utcyearmonthdatehours" + ("minutes" if any(each.minute for each in times) else "")}
        return {"type": "temporal", "scale": {"type": "utc"}, "axis": {"format": "%b %d %H:%M", "labelOverlap": True}, **unit}
    if isinstance(value, date):
        return {"type": "temporal", "timeUnit": "utcyearmonthdate", "axis": {"format": "%b %d", "labelOverlap": True}}
    are_short = all(isinstance(each, int) for each in values)
    return {"type": "nominal", "sort": None, **({"axis": {"labelAngle": 0}} if are_short else {})}
