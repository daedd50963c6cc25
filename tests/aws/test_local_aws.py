"""The local AWS itself, as a command and as a library."""

import gzip
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import botocore.exceptions
import pytest

import local_aws
import local_records
from local_aws import LocalAws, LocalAwsError, client

COMMAND = [sys.executable, local_aws.__file__]
SECONDS = 60


@pytest.fixture
def served(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """`local_aws.py serve` on a free port, from `tmp_path`."""
    process = serve(tmp_path)
    yield process
    process.terminate()
    process.communicate(timeout=SECONDS)


def until_ready(process: subprocess.Popen[str]) -> dict[str, str]:
    """The environment that a server prints before it says `ready`."""
    assert process.stdout
    environment: dict[str, str] = {}
    for line in process.stdout:
        if line == "ready\n":
            return environment
        name, value = line.rstrip("\n").split("=", 1)
        environment[name] = value
    raise AssertionError("the server ended before it was ready")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command with these arguments, run to its end."""
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=SECONDS
    )


def run_records(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`scripts/dev records` with these arguments, run to its end."""
    command = [sys.executable, local_records.__file__, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)


def put(environment: dict[str, str], stream: str, data: bytes) -> None:
    """Put one record with the worker's key."""
    answer = client("firehose", environment).put_record_batch(
        DeliveryStreamName=stream, Records=[{"Data": data}]
    )
    assert answer["FailedPutCount"] == 0


def child_of(pid: int) -> int:
    """The one child of a process."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text())


def test_serve_prints_the_environment_and_ends_on_a_signal(
    served: subprocess.Popen[str], tmp_path: Path
) -> None:
    environment = until_ready(served)
    assert list(environment) == [
        "AWS_REGION",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_ENDPOINT_URL",
    ]
    file = tmp_path / "worker.env"
    assert file.read_text() == "".join(f"{k}={v}\n" for k, v in environment.items())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    put(environment, "events-low", b'{"n":1}\n')
    ministack = child_of(served.pid)
    served.send_signal(signal.SIGINT)
    assert served.communicate(timeout=SECONDS) == ("", "")
    assert served.returncode == 0
    assert not Path(f"/proc/{ministack}").exists()


def serve(directory: Path, *more: str) -> subprocess.Popen[str]:
    """`local_aws.py serve` on a free port."""
    return subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", "--dir", str(directory), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str], number: int) -> str:
    """What a server complained of until it ended by a signal, its ministack with it."""
    if number == signal.SIGKILL:
        os.kill(child_of(process.pid), signal.SIGKILL)
    process.send_signal(number)
    return process.communicate(timeout=SECONDS)[1]


def records(directory: Path) -> list[str]:
    """The lines that `records` prints."""
    printed = run_records( "--dir", str(directory))
    assert printed.returncode == 0, printed.stderr
    return printed.stdout.splitlines()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_serve_continues_with_the_state_of_the_last_run(
    tmp_path: Path, number: signal.Signals
) -> None:
    first = serve(tmp_path)
    key = until_ready(first)
    put(key, "events-low", b'{"n":1}\n')
    (tmp_path / "worker").mkdir()
    ended(first, number)

    second = serve(tmp_path)
    again = until_ready(second)
    put(again, "events-low", b'{"n":2}\n')

    assert again["AWS_ACCESS_KEY_ID"] == key["AWS_ACCESS_KEY_ID"]
    assert records(tmp_path) == ['{"n":1}', '{"n":2}']
    assert (tmp_path / "worker").is_dir()
    assert ended(second, signal.SIGINT) == ""


@pytest.mark.parametrize("why", ["reset", "another template", "a half-made state"])
def test_serve_begins_empty_with_the_workers_state(tmp_path: Path, why: str) -> None:
    first = serve(tmp_path)
    key = until_ready(first)
    put(key, "events-low", b'{"n":1}\n')
    (tmp_path / "worker" / "v3").mkdir(parents=True)
    ended(first, signal.SIGINT)
    made_from = tmp_path / "made-from"
    if why == "another template":
        made_from.write_text("another one\n")
    elif why == "a half-made state":
        made_from.unlink()

    second = serve(tmp_path, *["--reset"] * (why == "reset"))
    put(until_ready(second), "events-low", b'{"n":2}\n')

    assert records(tmp_path) == ['{"n":2}']
    assert not (tmp_path / "worker").exists()
    complaint = ended(second, signal.SIGINT)
    assert ("starts empty" in complaint) == (why == "another template")


def test_records_prints_what_was_delivered(
    served: subprocess.Popen[str], tmp_path: Path
) -> None:
    environment = until_ready(served)
    put(environment, "events-low", b'{"n":1}\n')
    put(environment, "events-high", '{"n":2}\n{"name":"Zoë"}\n'.encode())
    put(environment, "events-failed", b'{"code":"no_name"}\n')
    good = run_records( "--dir", str(tmp_path))
    failed = run_records("--failed", "--dir", str(tmp_path))
    assert good.stdout == '{"n":1}\n{"n":2}\n{"name":"Zoë"}\n'
    assert failed.stdout == '{"code":"no_name"}\n'


def test_records_are_chosen_and_followed(served: subprocess.Popen[str], tmp_path: Path) -> None:
    environment = until_ready(served)
    for number in range(1, 15):
        put(environment, "events-low", json.dumps({"n": number, "name": "ab"[number % 2]}).encode() + b"\n")

    def numbers(*options: str) -> list[int]:
        printed = run_records("--dir", str(tmp_path), *options)
        assert (printed.returncode, printed.stderr) == (0, "")
        return [json.loads(line)["n"] for line in printed.stdout.splitlines()]

    assert numbers() == list(range(1, 15))
    assert numbers("--last", "2") == [13, 14]
    assert numbers("--last", "2", "--name", "a") == [12, 14]
    assert numbers("--name", "c") == []
    pretty = run_records("--dir", str(tmp_path), "--last", "1", "--pretty").stdout
    assert pretty == '{\n  "n": 14,\n  "name": "a"\n}\n'
    wrong = run_records("--last", "0")
    assert (wrong.returncode, wrong.stderr) == (2, "dev: argument --last: must be 1 or more, not '0'; see scripts/dev --help\n")

    following = [sys.executable, local_records.__file__, "--dir", str(tmp_path), "--follow", "--name", "b"]
    with subprocess.Popen(following, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stderr
        assert [json.loads(process.stdout.readline())["n"] for _ in range(7)] == list(range(1, 15, 2))
        put(environment, "events-low", b'{"n":15,"name":"b"}\n')
        put(environment, "events-low", b'{"n":16,"name":"a"}\n')
        put(environment, "events-low", b'{"n":17,"name":"b"}\n')
        assert [json.loads(process.stdout.readline())["n"] for _ in range(2)] == [15, 17]
        process.send_signal(signal.SIGINT)
        assert (process.wait(SECONDS), process.stderr.read()) == (130, "")


def test_serve_fails_when_ministack_dies(
    served: subprocess.Popen[str], tmp_path: Path
) -> None:
    until_ready(served)
    os.kill(child_of(served.pid), signal.SIGKILL)
    _, complaint = served.communicate(timeout=SECONDS)
    assert served.returncode == 1
    assert complaint == (
        "local_aws.py: ministack ended with exit code -9;"
        f" its log is {tmp_path}/ministack.log\n"
    )


def test_serve_fails_when_its_port_is_taken(tmp_path: Path) -> None:
    with socket.create_server((local_aws.HOST, 0)) as taken:
        port = taken.getsockname()[1]
        result = run("serve", "--port", str(port), "--dir", str(tmp_path))
    assert result.returncode == 1
    assert result.stderr == (
        f"local_aws.py: port {port} of 127.0.0.1 can't be used: Address already in use\n"
    )


def test_serve_fails_when_its_port_is_not_one(tmp_path: Path) -> None:
    result = run("serve", "--port", "65536", "--dir", str(tmp_path))
    assert result.returncode == 1
    assert result.stderr == "local_aws.py: port 65536 is not within 0 to 65535\n"


def test_serve_fails_when_its_directory_is_taken(aws: LocalAws) -> None:
    result = run("serve", "--port", "0", "--dir", str(aws.directory))
    assert result.returncode == 1
    assert "another local AWS is already served from" in result.stderr


def test_records_fails_when_nothing_is_served(tmp_path: Path) -> None:
    result = run_records( "--dir", str(tmp_path))
    assert result.returncode == 1
    assert "no local AWS was ever served from" in result.stderr


def test_records_gives_up_after_a_while(tmp_path: Path) -> None:
    # Connections are accepted by the kernel, and never answered.
    with socket.create_server((local_aws.HOST, 0)) as hanging:
        endpoint = f"http://{local_aws.HOST}:{hanging.getsockname()[1]}"
        (tmp_path / "worker.env").write_text(
            f"AWS_REGION={local_aws.REGION}\nAWS_ACCESS_KEY_ID=a\nAWS_SECRET_ACCESS_KEY=b\n"
            f"AWS_ENDPOINT_URL={endpoint}\n"
        )
        result = run_records( "--dir", str(tmp_path))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        f"records: the local AWS at {endpoint} has not answered for 20 s;"
        " end scripts/dev and start it again",
    ]


def test_records_fails_when_what_was_served_has_ended(tmp_path: Path) -> None:
    with socket.create_server((local_aws.HOST, 0)) as ended:
        endpoint = f"http://{local_aws.HOST}:{ended.getsockname()[1]}"
    (tmp_path / "worker.env").write_text(
        f"AWS_REGION={local_aws.REGION}\nAWS_ACCESS_KEY_ID=a\nAWS_SECRET_ACCESS_KEY=b\n"
        f"AWS_ENDPOINT_URL={endpoint}\n"
    )
    result = run_records( "--dir", str(tmp_path))
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        f"records: no local AWS answers at {endpoint}; is it still served?"
    )


def test_it_listens_on_loopback_only(aws: LocalAws) -> None:
    assert aws.pid
    inodes = set()
    for file in Path(f"/proc/{aws.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed in the meantime, so nobody listens
            inodes.add(os.readlink(file).removeprefix("socket:[").removesuffix("]"))
    listening = [
        fields[1]
        for table in ("tcp", "tcp6")
        for fields in map(
            str.split, Path(f"/proc/{aws.pid}/net/{table}").read_text().splitlines()
        )
        if fields[3] == "0A" and fields[9] in inodes
    ]
    assert listening == [f"0100007F:{aws.port:04X}"]


def test_an_outage_keeps_port_key_and_records(tmp_path: Path) -> None:
    with LocalAws(tmp_path) as aws:
        environment = aws.environment()
        put(environment, "events-low", b'{"n":1}\n')
        aws.stop()
        with pytest.raises(botocore.exceptions.EndpointConnectionError):
            put(environment, "events-low", b'{"n":2}\n')
        aws.start()
        put(environment, "events-low", b'{"n":3}\n')
        assert aws.environment() == environment
        assert [each.record for each in aws.records()] == [{"n": 1}, {"n": 3}]


def test_gzipped_objects_are_read_and_cleared(aws: LocalAws) -> None:
    aws.clear()
    lines = b"".join(json.dumps({"n": n}).encode() + b"\n" for n in range(3))
    aws.client("s3").put_object(
        Bucket=aws.outputs["FailedBucketName"],
        Key="year=2026/a.gz",
        Body=gzip.compress(lines),
    )
    assert aws.records("failed") == [
        ("year=2026/a.gz", f'{{"n": {n}}}', {"n": n}) for n in range(3)
    ]
    aws.clear()
    assert aws.records("failed") == []


def test_a_line_that_is_not_json_is_named(aws: LocalAws) -> None:
    aws.clear()
    put(aws.environment(), "events-failed", b'{"n":1}{"n":2}\n')
    with pytest.raises(LocalAwsError, match="a line of day=.* is not a JSON document"):
        aws.records("failed")
    aws.clear()
