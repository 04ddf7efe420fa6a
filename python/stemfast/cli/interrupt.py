"""Ctrl-C stops within a second, whatever the main thread is busy with.

Python hands a signal to the program between two of its own instructions, so a long call into
compiled code (XLA compiling a training step takes seconds) would delay it. The operating system's
handler, though, writes a byte to a wake-up descriptor at once; a thread waits for that byte, gives
the program a moment to stop in good order, and then ends the process. Files are written under
temporary names and renamed when whole, so nothing half-written is left under a final name.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from typing import NoReturn

#: Exit code of a program that Ctrl-C stopped: 128 + SIGINT.
STOPPED = 130
_MOMENT_S = 0.7


def watch() -> None:
    """Start to watch for Ctrl-C. Call once, in the main thread."""
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    # The thread holds both ends open for as long as the process lives.
    threading.Thread(target=_wait, args=(receiver, sender), daemon=True).start()


def leave() -> NoReturn:
    """End the process now, after Ctrl-C.

    Without the interpreter's usual farewell: XLA cannot cancel what its threads are doing, and
    they crash when the interpreter is torn down under them.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(STOPPED)


def _wait(receiver: socket.socket, sender: socket.socket) -> None:
    while signal.SIGINT not in receiver.recv(1):
        pass
    time.sleep(_MOMENT_S)
    os.write(2, b"stopped\n")
    os._exit(STOPPED)
