"""Locks between writers that share a folder.

A lock is an empty hidden file that one process holds with ``flock``. The system lets go of it when
the process ends in whatever way, ``kill -9`` included, so there are no stale locks. Where the
system has no such lock (Windows, some cluster file systems), everybody is told that they hold it:
that costs a shard simulated twice, but no damage, because two writers of one shard write the same
bytes under names of their own and put them in place in one step.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["FileLock", "alone", "held"]

_NO_LOCKS_HERE = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL}


class FileLock:
    """A lock that at most one process, and one object in it, holds.

    Parameters
    ----------
    path : Path
        File to lock; made when taken, removed when given back.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "lock"
    >>> first, second = FileLock(path), FileLock(path)
    >>> first.acquire(), second.acquire()
    (True, False)
    >>> first.release(), second.acquire(), second.release()
    (None, True, None)
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock if nobody holds it; do not wait."""
        if fcntl is None:
            return True
        while True:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            except OSError as error:
                os.close(descriptor)
                if error.errno not in _NO_LOCKS_HERE:
                    raise
                return True
            if _same_file(descriptor, self.path):
                self._descriptor = descriptor
                return True
            os.close(descriptor)  # its holder removed it before we got it: try the new one

    def release(self) -> None:
        """Give the lock back; does nothing if it is not held."""
        if self._descriptor is None:
            return
        # Removed while still held, or it could be the next holder's that goes.
        self.path.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = None


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a lock for the length of a block, after waiting for it."""
    lock = FileLock(path)
    try:
        while not lock.acquire():
            time.sleep(0.02)
        yield
    finally:
        lock.release()


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a folder of results, made if missing, against a second run.

    Where the block raises before anything is in a folder that was made for it, the folder goes.

    Raises
    ------
    FileExistsError
        If another run holds it.
    OSError
        If it cannot be made or written to.
    """
    there = folder.is_dir()
    lock = FileLock(folder / ".lock")
    try:
        if not _made_and_locked(folder, lock):
            raise FileExistsError(
                f"another run writes to {folder} now: wait for it, or give another folder with "
                "--out"
            )
        yield
    finally:
        lock.release()
        if not there:
            with suppress(OSError):  # results are in it
                folder.rmdir()


def _made_and_locked(folder: Path, lock: FileLock) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return lock.acquire()
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from error
