"""Times as they are written on a command line and in a record."""

from __future__ import annotations

import argparse
from datetime import datetime, timezone


def utc(text: str) -> datetime:
    """A time in ISO 8601; without a zone it is in UTC."""
    at = datetime.fromisoformat(text)
    return (
        at.replace(tzinfo=timezone.utc)
        if at.tzinfo is None
        else at.astimezone(timezone.utc)
    )


def argument(text: str) -> datetime:
    """The same, as argparse wants it."""
    try:
        return utc(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time; write 2026-11-21 or 2026-11-21T08:00Z"
        ) from None
