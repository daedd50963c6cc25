"""The proxy's port, which finds out whether who called was still there for the answer."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from support.aws_call import Call
from support.fake_server import Answer, Server

# workerd keeps a connection that is still good for 5 s. One that it closes sooner was given
# up: the 2 s of its delivery were over before the answer was read.
UNHEARD_SECONDS = 4


class Listener(Server):
    """A port; `handle` answers a call or has it cut, as with `Server`.

    `unheard` is reported what `tell` was, once it is known that nobody heard it.
    """

    def __init__(
        self,
        port: int,
        handle: Callable[[Call], Answer | None],
        unheard: Callable[[list[str]], None],
    ) -> None:
        super().__init__(port, handle)
        self._unheard = unheard

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        _thread.socket = request
        super().process_request_thread(request, client_address)
        what, at = _thread.reported or ([], 0.0)
        if time.monotonic() - at < UNHEARD_SECONDS:
            self._unheard(what)


class _Thread(threading.local):
    """The connection that a thread serves, and what its caller was reported last."""

    socket: socket.socket
    reported: tuple[list[str], float] | None = None


_thread = _Thread()


def hung_up() -> bool:
    """Whether who called in this thread has closed the connection."""
    poll = select.poll()
    poll.register(_thread.socket, select.POLLIN)
    try:
        return bool(poll.poll(0)) and not _thread.socket.recv(1, socket.MSG_PEEK)
    except OSError:
        return True


def tell(what: list[str]) -> None:
    """Notes what who called in this thread is about to hear."""
    _thread.reported = (what, time.monotonic())
