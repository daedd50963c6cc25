"""A query's answer as a chart, drawn by Vega-Lite: a PNG, or a page of HTML without scripts."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import chart_page
import vl_convert
from objects import LakeError
from private_files import write_private
from shown_text import shown

SIZE = {"width": 720, "height": 360}
# More bars, or more colours, can't be read.
MOST_ROWS = 2_000
SCALE = 2


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
            raise LakeError(
                f"a chart is `bar X Y [COLOR]` or `line X Y [COLOR]`, not {text!r}"
            )
        return cls(*words, label=label)

    def split(self, before: str | None, by: str) -> Chart:
        """The same of an answer that is split by the column `by`, and was by `before`."""
        if before:
            x, color = (by if each == before else each for each in (self.x, self.color))
            return replace(self, x=x, color=color)
        return replace(self, color=self.color or by, label=None)

    def write(self, path: Path, title: str, rows: list[dict[str, Any]]) -> None:
        """Draws `rows`, in the form that the file's name asks for."""
        missing = (
            {self.x, self.y, self.color or self.x} - rows[0].keys() if rows else set()
        )
        if missing:
            raise LakeError(f"the answer has no column {', '.join(sorted(missing))}")
        spec = self._spec(title, rows[:MOST_ROWS])
        if path.suffix == ".png":
            content = vl_convert.vegalite_to_png({**spec, "background": "white"}, scale=SCALE)
        elif path.suffix == ".html":
            content = chart_page.page(title, _drawings(spec), rows[:MOST_ROWS]).encode()
        else:
            raise LakeError(f"{path} must end in .png or .html")
        write_private(path, content)

    def _spec(self, title: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
        # By names of ours: Vega reads a column's own name as a path.
        given = {"x": self.x, "y": self.y, **({"color": self.color} if self.color else {})}
        values = [{name: _plain(row[column]) for name, column in given.items()} for row in rows]
        titles = {name: shown(column) for name, column in given.items()}
        x = {"field": "x", **_axis(rows[0][self.x] if rows else None)}
        encoding: dict[str, Any] = {
            "x": {**x, "title": titles["x"], "axis": {"labelLimit": 240}},
            "y": {"field": "y", "type": "quantitative", "title": titles["y"]},
        }
        if self.color:
            encoding["color"] = {"field": "color", "type": "nominal", "title": titles["color"]}
        mark = (
            {"type": self.mark, "point": True}
            if self.mark == "line"
            else {"type": self.mark}
        )
        return {
            "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
            "title": shown(title),
            **SIZE,
            # Vega-Lite writes titles into an expression of Vega's for what a screen reader says of a mark.
            "config": {"aria": False},
            "data": {"values": values},
            "mark": mark,
            "encoding": encoding,
        }


def _drawings(spec: dict[str, Any]) -> tuple[str, str]:
    """The chart as SVG, for a light and for a dark ground."""
    light, dark = (
        vl_convert.vegalite_to_svg({**spec, "background": "transparent"}, theme=theme)
        for theme in (None, "dark")
    )
    return light, dark


def _plain(value: Any) -> Any:
    """A value as JSON has it; times are in UTC, which Vega would not guess."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, (int, float, type(None))):
        return value
    if isinstance(value, datetime):
        return value.replace(tzinfo=value.tzinfo or timezone.utc).isoformat()
    return shown(str(value))


def _axis(value: Any) -> dict[str, Any]:
    """How an axis of such values runs: as time does, or in the order of the answer."""
    if isinstance(value, datetime):
        return {"type": "temporal", "scale": {"type": "utc"}}
    if isinstance(value, date):
        return {"type": "temporal", "timeUnit": "utcyearmonthdate"}
    return {"type": "nominal", "sort": None}
