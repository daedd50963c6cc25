"""`--sdk-table FILE` writes the table of the SDKs, as Markdown for www/docs."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.register_assert_rewrite("sdks.stories")

from sdks import sdk_table

ROWS = pytest.StashKey[list[sdk_table.Row]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--sdk-table", type=Path, help="writes the table of the SDKs to this file")


@pytest.fixture(scope="session")
def table(pytestconfig: pytest.Config) -> list[sdk_table.Row]:
    """The rows of the table; a test that has run an SDK adds its own."""
    return pytestconfig.stash.setdefault(ROWS, [])


def pytest_sessionfinish(session: pytest.Session) -> None:
    path = session.config.getoption("--sdk-table", default=None)
    if path:
        sdk_table.write(path, session.config.stash.get(ROWS, []))
