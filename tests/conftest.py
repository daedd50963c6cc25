"""What all Python tests share: the local AWS, one process for a run of the tests."""

import signal
import subprocess
from collections.abc import Iterator

import pytest

# A failed assertion of the support shows its values, as one of a test does.
pytest.register_assert_rewrite("support")

from local_aws import LocalAws  # noqa: E402
from support import ROOT  # noqa: E402

# A shell that runs the tests in the background makes them ignore Ctrl-C, and every program that they start with them:
# bash does not even let one trap what was ignored before it. A handler of our own is not inherited.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def built_check() -> None:
    """Compiles headwater-check, so that no script that a test starts has to."""
    command = ["bash", "-c", ". scripts/tools.sh; build_check", "scripts/check"]
    subprocess.run(command, cwd=ROOT, check=True)


@pytest.fixture(scope="session")
def shared_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """A local AWS with the production stack in it."""
    with LocalAws(tmp_path_factory.mktemp("aws")) as local_aws:
        yield local_aws


@pytest.fixture(scope="module")
def aws(shared_aws: LocalAws) -> LocalAws:
    """The same with nothing delivered yet, since any file may run after any other.

    What lies in its Kinesis stream stays there; a test that stops it starts it again.
    """
    shared_aws.clear()
    return shared_aws
