"""What lies in the stand-in's streams, by the names that the repository configures."""

from __future__ import annotations

from typing import Any

from firehose_peer import FirehosePeer

DATA = ("events-low", "events-mid", "events-high")
FAILED = "events-failed"


def data(peer: FirehosePeer) -> dict[str, Any]:
    """Every event, by id."""
    return {
        event["event_id"]: event for stream in DATA for event in peer.events(stream)
    }


def kept(peer: FirehosePeer) -> dict[str, Any]:
    """Every failed event, by id."""
    return {event["event_id"]: event for event in peer.events(FAILED)}
