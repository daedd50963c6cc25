"""What the tests of the faults share: a local AWS of their own, since they fill it."""

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "worker"))

from local import LocalAws  # noqa: E402


@pytest.fixture(scope="package")
def own_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """A local AWS that no other test reads."""
    with LocalAws(tmp_path_factory.mktemp("aws")) as aws:
        yield aws


@pytest.fixture(scope="package")
def seed() -> int:
    """HEADWATER_SEED, to do the same again; else any."""
    return int(os.environ.get("HEADWATER_SEED", random.randrange(1_000_000)))
