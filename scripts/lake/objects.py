"""The objects of a bucket or a directory: JSON lines, gzipped or not."""

from __future__ import annotations

import gzip
import os
import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

sys.path.append(str(Path(__file__).parents[1] / "aws"))

from local_aws import BUCKET_OUTPUTS, Kind, LocalAws, LocalAwsError  # noqa: E402

SOURCE_VARIABLE = "HEADWATER_SOURCE"
# Seconds that the local AWS may take to answer.
LOCAL_PATIENCE = 3
GZIP_MAGIC = b"\x1f\x8b"


class LakeError(Exception):
    """Why the objects can't be read, in one sentence."""


class Damaged(LakeError):
    """Why one object, or one line of it, can't be read; the others can."""


class Gone(LakeError):
    """An object that was listed is no longer there."""


@dataclass(frozen=True)
class Stored:
    """An object as a listing has it; `version` changes with its content."""

    name: str
    version: str
    size: int


class Objects(Protocol):
    """Objects that can be listed and read, by names that sort as their prefixes do."""

    def names(self) -> Iterator[str]:
        """All names, in their order."""

    def read(self, name: str) -> bytes:
        """The bytes of one of them."""


class Bucket:
    """A bucket, or what is in it under a prefix; `s3` is a client of boto3."""

    def __init__(self, bucket: str, prefix: str, s3: Any) -> None:
        self.bucket, self.prefix, self._s3 = bucket, prefix, s3

    @property
    def place(self) -> str:
        """What no other place is called."""
        return f"{self._s3.meta.endpoint_url} {self.bucket}/{self.prefix}"

    def names(self) -> Iterator[str]:
        for page in self._pages(self.prefix):
            for each in page.get("Contents", []):
                yield each["Key"]

    def stored(self, since: date | None) -> Iterator[Stored]:
        """The objects of partitions from the day `since` on, and those of no partition."""
        for prefix, after in self._listings(since):
            for page in self._pages(prefix, StartAfter=after):
                for each in page.get("Contents", []):
                    yield Stored(each["Key"], f"{each['ETag']} {each['Size']}", each["Size"])  # fmt: skip

    def read(self, name: str) -> bytes:
        try:
            return self._s3.get_object(Bucket=self.bucket, Key=name)["Body"].read()
        except self._s3.exceptions.NoSuchKey:
            raise Gone(f"{name} is no longer in s3://{self.bucket}") from None
        except (BotoCoreError, ClientError) as error:
            raise LakeError(f"{name} can't be read: {error}") from None

    def _listings(self, since: date | None) -> Iterator[tuple[str, str]]:
        """The prefixes to list, each with the name to begin after: days before `since` are
        not even listed, wherever below the bucket they are stored.
        """
        if since is None or day_of(f"{self.prefix}/"):
            yield self.prefix, ""
            return
        pending = [self.prefix]
        while pending:
            prefix = pending.pop()
            folders = [
                each["Prefix"]
                for page in self._pages(prefix, Delimiter="/")
                for each in page.get("CommonPrefixes", [])
            ]
            days = [each for each in folders if each.split("/")[-2].startswith("day=")]
            if days or not folders:
                above = days[0].rpartition("day=")[0] if days else ""
                yield prefix, f"{above}day={since}" if days else ""
            pending += [each for each in folders if each not in days]

    def _pages(self, prefix: str, **more: str) -> Iterator[dict[str, Any]]:
        pages = self._s3.get_paginator("list_objects_v2")
        more = {key: value for key, value in more.items() if value}
        try:
            yield from pages.paginate(Bucket=self.bucket, Prefix=prefix, **more)
        except (BotoCoreError, ClientError) as error:
            raise LakeError(f"s3://{self.bucket} can't be listed: {error}") from None


class Directory:
    """A directory, as a bucket is copied into one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_dir():
            raise LakeError(f"{path} is no directory; give one, or s3://BUCKET/PREFIX")

    def names(self) -> Iterator[str]:
        for path in sorted(path for path in self.path.rglob("*") if path.is_file()):
            # Another process is still writing a hidden one.
            if not path.name.startswith("."):
                yield path.relative_to(self.path).as_posix()

    @property
    def place(self) -> str:
        """What no other place is called."""
        return f"{self.path.resolve()}/"

    def stored(self, since: date | None) -> Iterator[Stored]:
        """The files of partitions from the day `since` on, and those of no partition."""
        for name in self.names():
            day = day_of(name)
            if since and day and day < since:
                continue
            try:
                known = (self.path / name).stat()
            except FileNotFoundError:
                continue
            version = f"{known.st_mtime_ns} {known.st_ctime_ns} {known.st_size}"
            yield Stored(name, version, known.st_size)

    def read(self, name: str) -> bytes:
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            raise Gone(f"{name} is no longer in {self.path}") from None


def objects(
    source: str, of_local: Sequence[tuple[Kind, str]]
) -> list[Bucket] | list[Directory]:
    """What `source` names: s3://BUCKET, s3://BUCKET/PREFIX, with the credentials that boto3
    finds, a directory, or `local`, which is what scripts/dev runs: of its buckets, those
    `of_local` under their prefixes.
    """
    if source == "local":
        return _local(of_local)
    if not source.startswith("s3://"):
        return [Directory(Path(source))]
    parts = urlsplit(source)
    if not parts.netloc:
        raise LakeError(f"{source} names no bucket")
    retries: Any = {"mode": "standard", "total_max_attempts": 5}
    try:
        s3 = boto3.client("s3", config=Config(retries=retries))
    except BotoCoreError as error:
        raise LakeError(f"S3 can't be reached: {error}") from None
    return [Bucket(parts.netloc, parts.path.removeprefix("/"), s3)]


def default_sources() -> list[str]:
    """The sources that HEADWATER_SOURCE names, or else `local` if scripts/dev runs."""
    named = os.environ.get(SOURCE_VARIABLE, "").split()
    if named:
        return named
    try:
        LocalAws.running(patience=LOCAL_PATIENCE)
    except LocalAwsError as error:
        raise LakeError(f"name at least one --source, or set {SOURCE_VARIABLE}; `local` is none now: {error}") from None
    return ["local"]


def _local(wanted: Sequence[tuple[Kind, str]]) -> list[Bucket]:
    try:
        aws = LocalAws.running()
    except LocalAwsError as error:
        raise LakeError(f"{error}; `local` is what scripts/dev runs") from None
    s3 = aws.client("s3")
    return [
        Bucket(aws.outputs[BUCKET_OUTPUTS[kind]], prefix, s3) for kind, prefix in wanted
    ]


def lines(body: bytes, name: str) -> list[bytes]:
    """The lines of an object."""
    try:
        text = gzip.decompress(body) if body.startswith(GZIP_MAGIC) else body
    except (OSError, EOFError, zlib.error) as error:
        raise Damaged(f"{name} is not whole gzip: {error}") from None
    return text.splitlines()


def day_of(name: str) -> date | None:
    """The day of an object's partition, `day=2026-11-21`, if its name has one."""
    for part in name.split("/"):
        if part.startswith("day="):
            try:
                return date.fromisoformat(part.removeprefix("day="))
            except ValueError:
                return None
    return None


def may_hold(name: str, since: datetime | None) -> bool:
    """Whether an object can hold what came at `since` or later. Nothing is delivered before
    it came, except for wrong clocks; how much later is unknown.
    """
    day = day_of(name)
    return day is None or since is None or day >= (since - timedelta(hours=1)).date()
