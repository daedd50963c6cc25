"""The process behind the local AWS: ministack, alone on a port of the loopback interface.

It says nothing of what is in it; `local_aws.LocalAws` does.
"""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "lake"))

import local_outage  # noqa: E402
from private_files import private_files  # noqa: E402

HOST = "127.0.0.1"
SERVICES = "s3,firehose,kinesis,iam,sts,cloudformation,logs,glue,athena,cloudwatch"
START_SECONDS = 60
STOP_SECONDS = 15


class LocalAwsError(Exception):
    """Why the local AWS can't do what was asked, in one sentence."""


class MinistackProcess:
    """A ministack that keeps its state in `directory`, for the next one there."""

    def __init__(self, directory: Path, region: str, port: int) -> None:
        """Start it; a port of 0 stands for any free one."""
        self._held = hold_port(port)
        self.port = int(self._held.getsockname()[1])
        self.log = directory / "ministack.log"
        self._process = self._spawn(directory, region)

    @property
    def pid(self) -> int:
        """Its process id, which is also that of its group."""
        return self._process.pid

    def wait_until_it_answers(self) -> None:
        """Returns when its services can be called."""
        deadline = time.monotonic() + START_SECONDS
        while not _answers(self.port):
            if self._process.poll() is not None:
                self.wait()
            if time.monotonic() > deadline:
                raise LocalAwsError(
                    f"ministack did not answer within {START_SECONDS} s;"
                    f" its log is {self.log}"
                )
            time.sleep(0.05)
        self._held.close()

    def wait(self) -> None:
        """Block until it ends without a stop, which is always an error."""
        code = self._process.wait()
        raise LocalAwsError(
            f"ministack ended with exit code {code}; its log is {self.log}"
        )

    def end(self) -> None:
        """End it and all that it started; returns when they have ended."""
        self._held.close()
        if self._process.poll() is not None:
            return
        os.killpg(self.pid, signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()

    def _spawn(self, directory: Path, region: str) -> subprocess.Popen[bytes]:
        """Start ministack with an environment of its own.

        Nothing is inherited but PATH: an AWS_ACCESS_KEY_ID would become its root key,
        and with a Docker daemon it would remove other ministacks' containers.
        """
        temporary = directory / "tmp"
        temporary.mkdir(mode=0o700, parents=True, exist_ok=True)
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(temporary),
            "TMPDIR": str(temporary),
            "DOCKER_HOST": f"unix://{temporary}/no-docker.sock",
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(self.port),
            "MINISTACK_REGION": region,
            "SERVICES": SERVICES,
            "AUTH": "true",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "PERSIST_STATE": "1",
            "STATE_DIR": str(directory / "state"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(directory / "s3"),
            local_outage.VARIABLE: str(directory / local_outage.FILE),
        }
        with private_files(), self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-P", str(Path(__file__).with_name("local_ministack.py"))],
                env=environment,
                cwd=temporary,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


def forget(directory: Path, *more: str) -> None:
    """Delete the state that a ministack left in `directory`, and `more` that is there."""
    for part in ("state", "s3", "tmp", *more):
        path = directory / part
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    (directory / "ministack.log").unlink(missing_ok=True)


def hold_port(port: int) -> socket.socket:
    """Binds `port` if nothing listens there; any free one for 0.

    Until it is closed, the kernel gives that port to no process that asks for any; one that names it, as ministack
    does some seconds later, can listen there.
    """
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        held.bind((HOST, port))
    except OSError as error:
        held.close()
        raise LocalAwsError(
            f"port {port} of {HOST} can't be used: {error.strerror}"
        ) from None
    except OverflowError:
        held.close()
        raise LocalAwsError(f"port {port} is not within 0 to 65535") from None
    return held


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/_ministack/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
