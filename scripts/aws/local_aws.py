#!/usr/bin/env python3
"""A local AWS for development and tests: ministack, on loopback only.

    local_aws.py serve [--port N] [--dir DIR] [--reset]   run it in the foreground until Ctrl-C

The stack is made from headwater.yaml, the file that production uses, with small
buffers; local_template.py says what is made differently. Requests are authenticated:
the worker gets a key of its own that may do what the template's policy says and nothing
else. `serve` goes on with what the last one left in its directory, also after a crash. It
begins empty with --reset, and where what is there was made from another template; then
DIR/worker, the state of the worker that writes to it, is deleted with the rest.

Tests import `LocalAws`. It needs the Python packages ministack and boto3, and touches
neither the AWS configuration of this machine nor its Docker.

What ministack 1.5.33 does differently from AWS: it writes one object per record, at
once and in no order within a call; it ignores the compression and the buffers; it takes
calls over 4 MiB; it does not take packed records apart, so that partitions by tenant or
key want a route with `aggregate = false`, and it gives an object in a column of texts to Parquet
in another form than JSON. Its Athena reads the objects that exist and knows no projection.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import functools
import gzip
import hashlib
import importlib.metadata
import json
import os
import signal
import sys
import tomllib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple, Self

import boto3
import botocore.exceptions
import botocore.session
from botocore.config import Config

sys.path.append(str(Path(__file__).parents[1] / "lake"))

import own_streams  # noqa: E402
import query_stack  # noqa: E402
import stream_members  # noqa: E402
import template  # noqa: E402
from local_template import for_ministack, make_the_rest, without_what_was_left_out  # noqa: E402
from ministack_process import HOST, LocalAwsError, MinistackProcess, forget  # noqa: E402
from private_files import private_files  # noqa: E402
from shown_text import shown_output  # noqa: E402
from stack import TEMPLATE, Stack, StackError  # noqa: E402
from wrangler import WorkerSettings  # noqa: E402

__all__ = [
    "HOST",
    "TEMPLATE",
    "Delivered",
    "Kind",
    "LocalAws",
    "LocalAwsError",
    "client",
]

PORT = 4566
REGION = "eu-west-1"
STACK = "headwater"
DIRECTORY = Path(__file__).parents[2] / ".wrangler" / "local-aws"
# Says from what the state in the directory was made, once it is whole.
MADE_FROM = "made-from"
# Where scripts/dev has wrangler keep the worker's objects: their spill and the ids they have seen mean nothing
# beside other buckets.
WORKER = "worker"
PARAMETERS = {
    "KinesisStream": "orders",
    "BufferSizeMiB": "1",
    "BufferIntervalSeconds": "0",
    "FailedBufferSizeMiB": "1",
    "FailedBufferIntervalSeconds": "0",
}
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
DELETE_AT_ONCE = 1000
GZIP_MAGIC = b"\x1f\x8b"
# How long an answer may take, in seconds: to tests on a busy machine, and to a person at a command.
PATIENCE = 60
PATIENCE_OF_COMMAND = 20

Kind = Literal["data", "failed"]
BUCKET_OUTPUTS: dict[Kind, str] = {
    "data": "DataBucketName",
    "failed": "FailedBucketName",
}


class Delivered(NamedTuple):
    """One record as it is stored in a bucket."""

    key: str
    line: str
    record: dict[str, Any]


class LocalAws:
    """A ministack process and what is in it.

    The first `start` begins empty, unless `keep` is set. `stop` and
    `start` again is an outage: the port, the worker's key and everything delivered stay. In a
    `with`, it runs.
    """

    def __init__(self, directory: Path = DIRECTORY, region: str = REGION) -> None:
        self.directory = directory
        self.region = region
        self.port = 0
        self.patience = PATIENCE
        self.outputs: dict[str, str] = {}
        self._worker_key: dict[str, str] = {}
        self._process: MinistackProcess | None = None
        self._lock: IO[str] | None = None

    @classmethod
    def running(
        cls, directory: Path = DIRECTORY, patience: int = PATIENCE
    ) -> LocalAws:
        """The local AWS that another process serves from `directory`, to look into.

        Each answer may take `patience` seconds.
        """
        try:
            environment = _environment(directory)
        except FileNotFoundError:
            raise LocalAwsError(
                f"no local AWS was ever served from {directory}"
            ) from None
        aws = cls(directory, environment["AWS_REGION"])
        aws.port = int(environment["AWS_ENDPOINT_URL"].rsplit(":", 1)[1])
        aws._worker_key = _worker_key(environment)
        aws.patience = patience
        with aws.answering():
            aws.outputs = aws._stack_outputs()
        return aws

    @functools.cached_property
    def _s3(self) -> Any:
        return self.client("s3")

    @contextlib.contextmanager
    def answering(self) -> Iterator[None]:
        """Makes one sentence of a local AWS that does not answer."""
        try:
            yield
        except botocore.exceptions.ReadTimeoutError:
            raise LocalAwsError(
                f"the local AWS at {self.endpoint} has not answered for {self.patience} s;"
                " end scripts/dev and start it again"
            ) from None
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
            raise LocalAwsError(
                f"no local AWS answers at {self.endpoint}; is it still served?"
            ) from None

    @property
    def endpoint(self) -> str:
        """The one address of all its services."""
        return f"http://{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process id of ministack while it runs."""
        return self._process.pid if self._process else None

    def start(self, port: int = 0, *, keep: bool = False) -> None:
        """Start it and wait until its streams take records.

        Port 0 stands for the port it had before, else for any free one. With `keep` it goes on
        with what another process left in the directory, and leaves the same for the next one.
        """
        if self._process:
            raise LocalAwsError(f"the local AWS already runs at {self.endpoint}")
        self._lock = _lock(self.directory)
        try:
            if keep and not self._worker_key:
                self._worker_key = self._kept_key()
            resumes = bool(self._worker_key)
            if not resumes:
                self._forget()
            self._run(port)
            if not resumes:
                self.outputs = self.create_stack(STACK, PARAMETERS)
                self._create_worker_key()
                if keep:
                    self._save()
            elif not self.outputs:
                self.outputs = self._stack_outputs()
            self._write_environment()
            if keep:
                (self.directory / MADE_FROM).write_text(_made_from(self.region))
        except BaseException:
            self.stop()
            raise

    def reset(self) -> None:
        """Delete what a process has left in the directory."""
        lock = _lock(self.directory)
        try:
            self._forget()
        finally:
            lock.close()

    def stop(self) -> None:
        """End ministack, its children included; its state is kept for `start`."""
        process, self._process = self._process, None
        if process:
            process.end()
        if self._lock:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait(self) -> None:
        """Block until ministack ends without a stop, which is always an error."""
        assert self._process, "start it first"
        self._process.wait()

    def environment(self) -> dict[str, str]:
        """What the worker needs to reach it, by the names that the AWS SDKs use."""
        return {
            "AWS_REGION": self.region,
            **self._worker_key,
            "AWS_ENDPOINT_URL": self.endpoint,
        }

    def client(self, service: str) -> Any:
        """A boto3 client that may do anything: ministack's key `test` is root."""
        return client(
            service,
            {
                "AWS_REGION": self.region,
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_ENDPOINT_URL": self.endpoint,
            },
            self.patience,
        )

    def records(
        self, kind: Kind = "data", skip: Collection[str] = ()
    ) -> list[Delivered]:
        """Every record delivered to a bucket, newest last (to the millisecond).

        Firehose's own error documents, under errors/, are among them; the objects
        whose keys are in `skip` are not.
        """
        return [record for each in self.keys(kind) if each not in skip for record in self.read(kind, each)]

    def keys(self, kind: Kind = "data") -> list[str]:
        """The keys of a bucket's objects, newest last (to the millisecond)."""
        found = _objects(self._s3, self.outputs[BUCKET_OUTPUTS[kind]])
        return [each["Key"] for each in sorted(found, key=lambda each: (each["LastModified"], each["Key"]))]

    def read(self, kind: Kind, key: str) -> list[Delivered]:
        """The records of an object."""
        answer = self._s3.get_object(Bucket=self.outputs[BUCKET_OUTPUTS[kind]], Key=key)
        return list(_parse(key, answer["Body"].read()))

    def clear(self) -> None:
        """Delete what was delivered; streams, buckets and keys stay."""
        s3 = self._s3
        for output in BUCKET_OUTPUTS.values():
            bucket = self.outputs[output]
            versions = [
                {"Key": each["Key"], "VersionId": each["VersionId"]}
                for page in s3.get_paginator("list_object_versions").paginate(
                    Bucket=bucket
                )
                for each in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            ]
            for start in range(0, len(versions), DELETE_AT_ONCE):
                s3.delete_objects(
                    Bucket=bucket,
                    Delete={"Objects": versions[start : start + DELETE_AT_ONCE]},
                )

    def create_stack(self, name: str, parameters: dict[str, str]) -> dict[str, str]:
        """Make another stack of the template; returns its outputs."""
        stack = Stack(self.client("cloudformation"), name, poll_seconds=0.05)
        try:
            stack.apply(for_ministack(TEMPLATE), parameters)
            queries = Stack(self.client("cloudformation"), f"{name}-queries", poll_seconds=0.05)
            queries.apply(for_ministack(query_stack.TEMPLATE), query_stack.parameters(parameters))
        except StackError as error:
            raise LocalAwsError(str(error)) from None
        make_the_rest(queries.outputs(), self.client)
        return make_the_rest(stack.outputs(), self.client)

    def add_members(self, streams: Collection[str]) -> None:
        """Make the members of stream sets that are among `streams`, as scripts/deploy does."""
        per_level = stream_members.needed(streams, self.outputs)
        if per_level:
            cloudformation = self.client("cloudformation")
            of_stack = Stack(cloudformation, STACK).parameters()
            parameters = stream_members.parameters(per_level, self.outputs, of_stack)
            stack = Stack(cloudformation, f"{STACK}-streams", poll_seconds=0.05)
            try:
                stack.apply(template.body(stream_members.TEMPLATE), parameters)
            except StackError as error:
                raise LocalAwsError(str(error)) from None

    def add_own(self, streams: Collection[str]) -> None:
        """Make those of `streams` that are of no other stack, as scripts/deploy does for the same names."""
        outputs, cloudformation = self.outputs, self.client("cloudformation")
        levels = [*stream_members.LEVELS, "FailedStream"]
        known = {f"firehose:{outputs[name]}" for name in levels} | {f"kinesis:{outputs['KinesisStreamName']}"}
        known |= stream_members.of_stack(outputs, stream_members.ALLOWED[-1])
        stack = Stack(cloudformation, f"{STACK}-own", poll_seconds=0.05)
        try:
            lists = own_streams.needed(streams, known, stack.outputs())
            if own_streams.of_stack(lists):
                of_other = Stack(cloudformation, STACK).parameters()
                stack.apply(template.body(own_streams.TEMPLATE), own_streams.parameters(lists, outputs, of_other))
        except (StackError, own_streams.OwnStreamsError) as error:
            raise LocalAwsError(str(error)) from None

    def _run(self, port: int) -> None:
        self._process = MinistackProcess(self.directory, self.region, port or self.port)
        self.port = self._process.port
        self._process.wait_until_it_answers()

    def _save(self) -> None:
        """Have ministack write what it does when it ends only: a crash then loses no more
        than the records of Kinesis streams."""
        assert self._process, "start it first"
        self._process.end()
        self._run(self.port)

    def _forget(self) -> None:
        forget(self.directory, MADE_FROM, WORKER)

    def _kept_key(self) -> dict[str, str]:
        """The worker's key in the state that is kept; nothing where it can't be used."""
        made_from = self.directory / MADE_FROM
        whole = made_from, self.directory / "worker.env", self.directory / "state"
        if not all(part.exists() for part in whole):
            return {}
        if made_from.read_text() != _made_from(self.region):
            print(
                "local_aws.py: the template or ministack has changed since the last run, so this"
                " starts empty",
                file=sys.stderr,
            )
            return {}
        return _worker_key(_environment(self.directory))

    def _stack_outputs(self) -> dict[str, str]:
        outputs = Stack(self.client("cloudformation"), STACK).outputs()
        return without_what_was_left_out(outputs)

    def _create_worker_key(self) -> None:
        """Make the worker's key, as an operator does after creating the stack.

        The template does not: a secret in a stack's outputs can be read by anyone who may
        describe the stack, and ministack has no AWS::IAM::AccessKey.
        """
        key = self.client("iam").create_access_key(
            UserName=self.outputs["WorkerUserName"]
        )["AccessKey"]
        self._worker_key = {
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        }

    def _write_environment(self) -> None:
        path = self.directory / "worker.env"
        path.unlink(missing_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(_lines(self.environment()))


def client(
    service: str, environment: dict[str, str], patience: int = PATIENCE
) -> Any:
    """A boto3 client with the key and the endpoint of `environment`.

    It reads no other configuration, uses no proxy, and tries once.
    """
    nothing: Any = (None, None, None, None)
    nowhere: Any = (None, None, os.devnull, None)
    session = botocore.session.Session(
        session_vars={
            "profile": nothing,
            "config_file": nowhere,
            "credentials_file": nowhere,
        }
    )
    return boto3.Session(botocore_session=session).client(
        service,
        region_name=environment["AWS_REGION"],
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        config=Config(
            connect_timeout=5,
            read_timeout=patience,
            proxies={},
            retries={"total_max_attempts": 1},
            s3={"addressing_style": "path"},
        ),
    )


def _lock(directory: Path) -> IO[str]:
    """Take `directory` for this process; closing the file gives it back."""
    directory.mkdir(parents=True, exist_ok=True)
    # What is below it are visitors' data and the worker's key.
    directory.chmod(0o700)
    file = (directory / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise LocalAwsError(
            f"another local AWS is already served from {directory}"
        ) from None
    return file


def _objects(s3: Any, bucket: str) -> Iterator[dict[str, Any]]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        yield from page.get("Contents", [])


def _parse(key: str, body: bytes) -> Iterator[Delivered]:
    """The records of one object, which may be gzipped: one JSON document a line."""
    if body.startswith(GZIP_MAGIC):
        body = gzip.decompress(body)
    for line in body.splitlines():
        try:
            yield Delivered(key, line.decode(), json.loads(line))
        except ValueError as error:
            raise LocalAwsError(
                f"a line of {key} is not a JSON document: {error}"
            ) from None


def _environment(directory: Path) -> dict[str, str]:
    """What the worker was given that wrote to the AWS of a directory."""
    lines = (directory / "worker.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def _worker_key(environment: dict[str, str]) -> dict[str, str]:
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    return {name: environment[name] for name in names}


def _made_from(region: str) -> str:
    """Names all that the state depends on: another one can't be gone on with."""
    version = importlib.metadata.version("ministack")
    templates = [for_ministack(TEMPLATE), for_ministack(query_stack.TEMPLATE)]
    made_from = [version, region, PARAMETERS, *templates]
    return hashlib.sha256(json.dumps(made_from).encode()).hexdigest() + "\n"


def _lines(environment: dict[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in environment.items())


def serve(port: int, directory: Path, *, reset: bool = False) -> None:
    """Run until SIGINT or SIGTERM; print the worker's environment, then `ready`."""

    def interrupt(signum: int, frame: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    aws = LocalAws(directory)
    try:
        if reset:
            aws.reset()
        aws.start(port, keep=True)
        streams = _configured_streams()
        aws.add_members(streams)
        aws.add_own(streams)
        print(_lines(aws.environment()) + "ready", flush=True)
        aws.wait()
    except KeyboardInterrupt:
        pass
    finally:
        aws.stop()


def _configured_streams() -> set[str]:
    """The streams that wrangler.toml names; none if it can't be read, which `wrangler dev` reports."""
    try:
        return WorkerSettings(None).streams
    except (OSError, tomllib.TOMLDecodeError):
        return set()


def main() -> int:
    """The command; 1 and one sentence when it can't do its work."""
    parser = argparse.ArgumentParser(
        description="A local AWS for development and tests."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    serving = commands.add_parser("serve", help="run it until Ctrl-C")
    serving.add_argument("--port", type=int, default=PORT, help="0 takes any free one")
    serving.add_argument("--reset", action="store_true", help="begin with nothing in it")
    serving.add_argument("--dir", type=Path, default=DIRECTORY)
    arguments = parser.parse_args()
    with private_files(), shown_output():
        try:
            serve(arguments.port, arguments.dir.resolve(), reset=arguments.reset)
        except LocalAwsError as error:
            print(f"local_aws.py: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
