"""What the header of a replay says of the clocks where an event failed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from failed_events import FailedEvent


@pytest.mark.parametrize(
    "zone",
    [
        "America/Chicago",
        "America/Santiago",
        "Australia/Lord_Howe",
        "Africa/Casablanca",
        "Asia/Kolkata",
    ],
)
def test_a_header_names_the_changes_of_the_clocks(zone: str) -> None:
    received = datetime(2026, 11, 28, 12, tzinfo=UTC)
    columns = {"received_at": received.isoformat(), "timezone": zone}
    reported = json.loads(FailedEvent(columns, "", "beacon", b"").header())

    for days in range(0, 365, 5):
        at = received - timedelta(days=days)
        later = [minutes for ms, minutes in reported["utc_offset_changes"] if at.timestamp() * 1000 < ms]
        offset = (later or [reported["utc_offset_minutes"]])[0]
        assert offset * 60 == at.astimezone(ZoneInfo(zone)).utcoffset().total_seconds(), at
