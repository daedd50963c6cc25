"""Files with data of visitors, or with keys: only their owner may read them, whatever the umask is."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

MASK = 0o077


@contextlib.contextmanager
def private_files() -> Iterator[None]:
    """Files that are created meanwhile have the mode 0600, folders 0700."""
    mask = os.umask(MASK)
    try:
        yield
    finally:
        os.umask(mask)


def write_private(path: Path, content: bytes) -> None:
    """Writes a file with the mode 0600; a file that was there is replaced, with its mode."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise
