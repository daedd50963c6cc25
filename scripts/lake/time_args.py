"""Times as they are written on a command line and in a record."""

from __future__ import annotations

import argparse
import re
from datetime import datetime, timedelta, timezone

FORMS = """2026-11-21, 2026-11-21T08:00 (UTC) or with an offset 2026-11-21T08:00+01:00; now, today or yesterday (its start in
UTC); or how long ago: 90s, 30m (minutes), 2h, 7d or 4w""".replace("\n", " ")

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def utc(text: str) -> datetime:
    """A time in ISO 8601; without a zone it is in UTC."""
    at = datetime.fromisoformat(text)
    return (
        at.replace(tzinfo=timezone.utc)
        if at.tzinfo is None
        else at.astimezone(timezone.utc)
    )


def parse(text: str, now: datetime) -> datetime:
    """A time in one of FORMS."""
    text = text.strip()
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    named = {"now": now, "today": today, "yesterday": today - timedelta(days=1)}
    if (at := named.get(text.lower())) is not None:
        return at
    if ago := re.fullmatch(r"([0-9]{1,9})([smhdw])", text):
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    return utc(text)


def argument(text: str) -> datetime:
    """The same before now, as argparse wants it."""
    try:
        return parse(text, datetime.now(timezone.utc))
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write {FORMS}") from None


def seconds(text: str) -> float:
    """A span such as 30s or 2m, as argparse wants it; seconds without a unit."""
    span = re.fullmatch(r"([0-9]{1,9})([smhdw]?)", text)
    try:
        if span:
            return timedelta(**{_UNITS[span[2] or "s"]: int(span[1])}).total_seconds()
    except OverflowError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is no span; write 30s, 2m or 1h")


RANGES = "7d (until now), today, yesterday or a day such as 2026-11-21 (that day in UTC), or two times FROM..UNTIL"


def parse_range(text: str, now: datetime) -> tuple[datetime, datetime | None]:
    """A range in one of RANGES: its begin, and its end if it does not end now."""
    begin, dots, end = text.partition("..")
    since = parse(begin, now)
    if dots:
        until = parse(end, now) if end.strip() else None
        if until and until <= since:
            raise ValueError("ends before it begins")
        return since, until
    is_day = text.strip().lower() in ("today", "yesterday") or re.fullmatch(r"\d{4}-\d{2}-\d{2}", text.strip())
    return since, since + timedelta(days=1) if is_day else None


def range_argument(text: str) -> tuple[datetime, datetime | None]:
    """The same as argparse wants it."""
    try:
        return parse_range(text, datetime.now(timezone.utc))
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is no range; write {RANGES}") from None
