"""A call to an AWS service as it arrived at a stand-in, and how it is refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass
class Call:
    """A request as it arrived, and what became of it."""

    arrived: datetime
    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    status: int | None = None
    """What was answered; None while it isn't, and when the connection was cut."""
    error: str | None = None
    """The `__type` of the error that was answered."""

    def all(self, name: str) -> list[str]:
        """Every value of a header, whose name is in lower case."""
        return [value for key, value in self.headers if key == name]

    def header(self, name: str) -> str | None:
        """The first value of a header, whose name is in lower case."""
        return next(iter(self.all(name)), None)


class AwsError(Exception):
    """A call refused as AWS refuses it."""

    def __init__(
        self,
        type: str,
        message: str,
        status: int = 400,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(f"{type}: {message}")
        self.type = type
        self.message = message
        self.status = status
        self.headers = headers or {}
