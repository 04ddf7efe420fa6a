"""One training run over several processes and machines, by ``jax.distributed``.

Every process simulates its own rows of each batch, and XLA averages the gradients over all devices
of all processes: the run is that of one process with the same batches, to rounding. The first
process alone touches the folder of the run, prints, and judges the network in the end; the others
get from it what they need to know.
"""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding

from stemfast import arguments

__all__ = ["agreed", "is_first", "joined", "rows", "same", "spread"]

T = TypeVar("T")
Tree = TypeVar("Tree")

SLURM = "slurm"
_SLURM_VARIABLES = (
    "SLURM_JOB_ID",
    "SLURM_STEP_NODELIST",
    "SLURM_NTASKS",
    "SLURM_PROCID",
    "SLURM_LOCALID",
)
#: How long processes wait for the last one to start [s].
_COME_IN_S = 300
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
#: The first process judges the network while the others wait for it [s].
_JUDGED_WITHIN_S = 24 * 3600
#: JAX aborts the others when the first process ends: one that made the same mistake may say so [s].
_LAST_WORDS_S = 2.0
#: In errors of XLA and of JAX's coordinator, for processes that are gone.
_SIGNS = ("Gloo", "NCCL", "coordination", "heartbeat", "UNAVAILABLE", "DEADLINE_EXCEEDED")
GO_ON = "go on from the last checkpoint by starting all processes again with --resume"
#: A process that waits for the end of its parent, which may die of another one at any time and
#: without a word: JAX aborts where the first process is gone or a network hangs.
_WATCHER = "import sys; sys.stdin.read() or sys.stderr.write(sys.argv[1])"


@contextmanager
def joined(address: str, rank: int | None = None, world_size: int | None = None) -> Iterator[None]:
    """Make this process one of several that train together.

    To be entered before JAX computes anything, by all processes with the same address. All run the
    same training, which takes turns by itself.

    Parameters
    ----------
    address : str
        ``"tcp://host:port"``: a free port of the machine of the first process; or ``"slurm"``,
        where SLURM's variables say all.
    rank : int, optional
        Number of this process, 0 for the first; with ``tcp://`` only.
    world_size : int, optional
        Number of all processes; with ``tcp://`` only.

    Raises
    ------
    ValueError
        If the address cannot be read, or the numbers are missing or impossible.
    OSError
        In the first process, if its port is taken.
    ConnectionError
        If another one ends or no longer answers. Where JAX ends the process itself, as it does if
        the others do not come within five minutes, the last line on standard error says so.

    Examples
    --------
    >>> with joined("tcp://head", 0, 2):
    ...     pass
    Traceback (most recent call last):
    ValueError: processes is 'tcp://head', expected tcp://host:port or slurm
    """
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    # It would catch the SIGTERM of a scheduler, and nothing would end.
    jax.config.update("jax_enable_preemption_service", False)
    settings = _settings(address, rank, world_size)
    try:
        with _watched(f"not all processes of this training came to {address} in {_COME_IN_S} s"):
            jax.distributed.initialize(
                initialization_timeout=_COME_IN_S,
                shutdown_timeout_seconds=_JUDGED_WITHIN_S,
                **settings,
            )
        with _watched(f"{_name()} ended before its time: {GO_ON}"):
            yield
            jax.distributed.shutdown()
    except BaseException as error:
        # JAX would wait for the others here, who wait for this process.
        atexit.register(_end)
        if isinstance(error, (ValueError, RuntimeError)) and _is_of_another(error):
            raise ConnectionError(
                f"{_name()}: another one ended or does not answer "
                f"({str(error).splitlines()[0]}): see what it said, then {GO_ON}"
            ) from error
        raise


def _settings(address: str, rank: int | None, world_size: int | None) -> dict[str, Any]:
    """Arguments of ``jax.distributed.initialize``."""
    if address == SLURM:
        missing = [name for name in _SLURM_VARIABLES if name not in os.environ]
        if missing:
            raise ValueError(
                f"processes is 'slurm', but {', '.join(missing)} are not set: expected to be "
                "started by srun"
            )
        if rank is not None or world_size is not None:
            raise ValueError("rank and world_size are SLURM's with 'slurm', expected none")
        return {"cluster_detection_method": SLURM}
    try:
        parts = urlsplit(address)
        host, port, rest = parts.hostname, parts.port, parts.path.strip("/")
    except ValueError:
        host, port, rest = None, None, ""
    if not address.startswith("tcp://") or not host or not port or rest:
        raise ValueError(f"processes is {address!r}, expected tcp://host:port or slurm")
    if rank is None or world_size is None:
        raise ValueError(
            f"rank is {rank} and world_size is {world_size}, expected both with an address"
        )
    count = arguments.index("world_size", world_size, minimum=1)
    number = arguments.index("rank", rank, maximum=count - 1)
    if number == 0:
        _check_port(host if host in _THIS_MACHINE else "", port)
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return {
        "coordinator_address": place,
        "coordinator_bind_address": place if host in _THIS_MACHINE else None,
        "num_processes": count,
        "process_id": number,
        "cluster_detection_method": "deactivate",
    }


def _check_port(host: str, port: int) -> None:
    """Refuse a port that JAX would crash at."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise OSError(
            f"processes: port {port} cannot be opened here ({why}), expected a free one of the "
            "machine of the first process"
        ) from error


def _name() -> str:
    return f"process {jax.process_index()} of {jax.process_count()} of this training"


def _is_of_another(error: Exception) -> bool:
    return any(sign in str(error) for sign in _SIGNS)


def _end() -> None:
    if is_first():
        time.sleep(_LAST_WORDS_S)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(1)


@contextmanager
def _watched(text: str) -> Iterator[None]:
    """Tell the user so where this process ends without a chance to say anything."""
    watcher = subprocess.Popen(
        [sys.executable, "-S", "-c", _WATCHER, f"stemfast: {text}\n"],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield
    finally:
        watcher.communicate(b"it spoke for itself")


def is_first() -> bool:
    """True of the process that writes, prints and judges, and of one that is alone."""
    return jax.process_index() == 0


def agreed(decide: Callable[[], T]) -> T:
    """Hand the first process's decision to all processes.

    Parameters
    ----------
    decide : callable
        Called in the first process only; returns something that JSON can hold.

    Raises
    ------
    ValueError
        In all processes, if it raises any error in the first one, where that error is its cause.

    Examples
    --------
    >>> agreed(lambda: {"images": 3})
    {'images': 3}
    """
    if jax.process_count() == 1:
        return decide()
    answer, error = None, None
    if is_first():
        try:
            answer = decide()
        except (ValueError, OSError) as raised:
            error = raised
    said = json.dumps([answer, error and str(error)]).encode()
    length = int(multihost_utils.broadcast_one_to_all(np.int32(len(said))))
    padded = np.frombuffer(said[:length].ljust(length), np.uint8)
    answer, problem = json.loads(bytes(multihost_utils.broadcast_one_to_all(padded)))
    if error is not None:
        raise error
    if problem is not None:
        raise ValueError(problem)
    result: T = answer
    return result


def same(tree: Tree) -> Tree:
    """The arrays that the first process has, in all processes; they have the same shapes."""
    if jax.process_count() == 1:
        return tree
    sent: Tree = multihost_utils.broadcast_one_to_all(tree)
    return sent


def rows(sharding: NamedSharding, batch_size: int) -> slice:
    """The rows of each batch that this process's devices hold.

    Parameters
    ----------
    sharding : NamedSharding
        Of batches, along their first axis; the devices of a process follow each other.
    batch_size : int
        Rows of the whole batch, a multiple of the devices.
    """
    held = sharding.addressable_devices_indices_map((batch_size,)).values()
    spans = [index[0].indices(batch_size) for index in held if index is not None]
    return slice(min(start for start, _, _ in spans), max(stop for _, stop, _ in spans))


def spread(own: Any, sharding: NamedSharding) -> Any:
    """A batch over all devices, from this process's rows of it.

    Parameters
    ----------
    own : tree of arrays
        The rows that :func:`rows` names, of every array.
    sharding : NamedSharding
        Of batches.
    """
    if jax.process_count() == 1:
        return jax.device_put(own, sharding)
    return jax.tree.map(lambda part: jax.make_array_from_process_local_data(sharding, part), own)
