"""The saved queries, `queries/*.sql`, and what may be asked of each.

The first line of a file is its title, the second its chart. Lines after these may set what is not asked for:

    -- by: country              the column that --by names
    -- steps: first, second     the events that --steps names
    -- last: 30m                the range; the variables `since` and `until` then have whole minutes

`/*by*/` in the SQL stands for the column that --by names, and `/*by first of KEY*/` for its first known value by KEY. Without
--by both are only comments, so that each file is SQL as it is.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import columns
from chart import Chart
from command_line import WrongUse

QUERIES = Path(__file__).with_name("queries")
MOST_STEPS = 20

# What --by takes: columns of events that say who came, from where and with what.
DIMENSIONS = sorted([
    *"""as_organization browser build city consent continent country day_part device_class device_model language local_hour
    new_visitor os protocol referrer_host referrer_medium referrer_source region tenant timezone url_host utm_campaign utm_content
    utm_medium utm_source utm_term""".split(),
    *columns.lifted(),
])  # fmt: skip

_BY = re.compile(r"/\*by(?: first of (.+?))?\*/")
_NO_NAMES = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)
_TABLE = re.compile(r"\b(?:FROM|JOIN)\s+\"?(\w+)", re.IGNORECASE)
_SETTING = re.compile(r"^-- (by|steps|last): (.+)$", re.MULTILINE)
_NAME = re.compile(r"[a-z][a-z0-9_.]{0,63}")


@dataclass(frozen=True)
class Query:
    """A question, how to ask it, and how to draw its answer."""

    title: str
    sql: str
    chart: Chart | None
    is_saved: bool = True
    by: str | None = None
    steps: tuple[str, ...] = ()
    last: timedelta | None = None

    @classmethod
    def saved(cls, name: str) -> Query:
        """The saved one of this name, with what its file sets."""
        path = QUERIES / f"{name}.sql"
        if path.parent != QUERIES or not path.is_file():
            meant = "".join(f"did you mean {each}? " for each in difflib.get_close_matches(name, names(), 1))
            raise WrongUse(f"there is no query {name!r}; {meant}there are {', '.join(names())}")
        title, chart, sql = path.read_text().split("\n", 2)
        settings = dict(_SETTING.findall(sql))
        return cls(
            title.removeprefix("-- "),
            sql,
            Chart.parse(chart.removeprefix("-- chart: ")),
            by=settings.get("by"),
            steps=steps(settings["steps"]) if "steps" in settings else (),
            last=timedelta(minutes=int(settings["last"].removesuffix("m"))) if "last" in settings else None,
        )

    @property
    def can_be_split(self) -> bool:
        """Whether --by makes sense."""
        return bool(_BY.search(self.sql))

    def asked(self, by: str | None, its_steps: tuple[str, ...]) -> Query:
        """The same, with what is asked for in place of what its file sets."""
        if by and not self.can_be_split:
            able = [name for name in names() if Query.saved(name).can_be_split]
            raise WrongUse(f"--by can't split this query; it splits {', '.join(able)}")
        if its_steps and not self.steps:
            raise WrongUse("--steps is only for the query funnel")
        chart = self.chart
        if chart and by and by != self.by:
            chart = chart.split(self.by, by)
        return replace(self, chart=chart, by=by or self.by, steps=its_steps or self.steps)

    def tables(self) -> set[str]:
        """What it reads by a name after FROM or JOIN, a table of its own WITH included."""
        return {name.lower() for name in _TABLE.findall(_NO_NAMES.sub(" ", self.sql))}

    def shows(self, column: str) -> bool:
        """Whether the answer of a saved query has a column, or SQL of the operator's names it."""
        text = self.sql.rpartition("\nSELECT ")[2].partition("\nFROM ")[0] if self.is_saved else self.sql
        return self.by == column or bool(re.search(rf"\b{column}\b", text, re.IGNORECASE))

    def statement(self) -> str:
        """The SQL, split by what was asked for."""

        def column(found: re.Match[str]) -> str:
            if not self.by:
                return found[0]
            name = f'"{self.by}"'
            return f"arg_min({name}, {found[1]}) AS {name}," if found[1] else f"{name},"

        return _BY.sub(column, self.sql) if self.is_saved else self.sql

    def range(self, since: datetime | None, until: datetime | None, now: datetime) -> tuple[datetime | None, datetime | None]:
        """The times to ask about: those that were asked for, or else the query's own range in whole minutes."""
        if not self.last:
            return since, until
        if since:
            return since, until or now
        until = until or now
        begin = until - self.last
        whole = begin.replace(second=0, microsecond=0)
        return (whole if whole == begin else whole + timedelta(minutes=1)), until


def names() -> list[str]:
    """The names of the saved queries."""
    return sorted(path.stem for path in QUERIES.glob("*.sql"))


def steps(text: str) -> tuple[str, ...]:
    """The names of events in `a,b,c`."""
    found = tuple(each.strip() for each in text.split(","))
    for each in found:
        if not _NAME.fullmatch(each):
            raise WrongUse(f"--steps names {each!r}, which is no event; write a,b,c")
        if found.count(each) > 1:
            raise WrongUse(f"--steps names {each} twice; each step is another event")
    if not 2 <= len(found) <= MOST_STEPS:
        raise WrongUse(f"--steps names {len(found)} events; a funnel has 2 to {MOST_STEPS}")
    return found
