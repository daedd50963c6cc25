"""What the tests of the operator's programs share: a local AWS of their own, which they fill."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "worker"))

from local import LocalAws  # noqa: E402
from mending import BEFORE  # noqa: E402
from programs import REPLAY_KEY  # noqa: E402
from worker import Worker  # noqa: E402


@pytest.fixture(scope="package")
def own_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """A local AWS that no other test reads."""
    with LocalAws(tmp_path_factory.mktemp("aws")) as aws:
        yield aws


@pytest.fixture
def lake(own_aws: LocalAws) -> LocalAws:
    """The same with nothing in it."""
    own_aws.clear()
    return own_aws


@pytest.fixture
def worker(lake: LocalAws) -> Iterator[Worker]:
    """The worker before it is mended."""
    with Worker(
        {**lake.environment(), "HEADWATER_OPERATOR_KEY": REPLAY_KEY}, BEFORE
    ) as worker:
        yield worker
