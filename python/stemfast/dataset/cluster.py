"""Workers of a Dask cluster: what they compute, and data sets that they write, one task a shard.

A shard depends on nothing but the plan and its number, so a task can run anywhere, twice, or again
after its worker has died, and always leaves the same bytes. The workers write into the directory
themselves; what travels is the plan, as the JSON of its header, and, back, each shard's checksum.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from stemfast import _core
from stemfast.dataset import folder
from stemfast.dataset.interrupt import Interrupts
from stemfast.dataset.manifest import Header, ShardEntry
from stemfast.dataset.plan import Plan, stemfast_version
from stemfast.dataset.splits import ShardPlan
from stemfast.dataset.write import make_shard

__all__ = ["computed", "connected", "finished", "write_with_dask"]

Item = TypeVar("Item")

LOCAL = "local:"
#: Tasks that wait for each thread of the workers. The scheduler need not know of a million.
WAITING = 3
#: How long a network file system may take to show a file that another machine wrote [s].
PATIENCE_S = 15.0
ANSWER_S = 10.0
#: Settings of a scheduler whose state is served on a free port, whatever else runs on the machine.
ANY_PORT = {"dashboard_address": "127.0.0.1:0"}


def write_with_dask(
    directory: str | Path,
    plan: Plan,
    address: str,
    chosen: Sequence[int] | None = None,
    *,
    n_threads: int = 0,
    advance: Callable[[int, int], None] = lambda done, made: None,
) -> bool:
    """Write those shards of a plan that are not there yet with Dask.

    The shards of a worker that dies go to the others. After Ctrl-C no new shard is begun, and the
    same call writes what is missing.

    Parameters
    ----------
    directory : str or Path
        A folder that all workers see under the same name. Made if missing.
    plan : Plan
        What to write.
    address : str
        Of a scheduler, such as ``"tcp://host:8786"``; or ``"local:4"`` for four worker processes
        on this machine.
    chosen : sequence of int, optional
        Numbers of the shards to care for; all if None.
    n_threads : int
        Threads of the simulation of one shard. If 0, the workers of ``local:N`` share the cores
        of this machine, and others use one for each of their Dask threads.
    advance : callable
        Called with images that are done, and how many of them were simulated, as shards finish.

    Returns
    -------
    bool
        Whether the data set is now complete.

    Raises
    ------
    ImportError
        If Dask is not installed: it comes with ``pip install "stemfast[dask]"``.
    ValueError
        If the address cannot be read, or the directory holds another data set.
    OSError
        If there is no scheduler, or a worker cannot write, or writes elsewhere.
    RuntimeError
        If the workers run another version of stemfast, or die again and again.
    """
    where = Path(directory).absolute()
    missing = folder.missing(where, plan, chosen)
    if missing:
        # Dask's futures talk to its loop as they go: a Ctrl-C that hits one then would be dropped.
        with Interrupts() as interrupts, connected(address, n_threads) as (client, threads):
            folder.join(where, plan)
            for shard in _written(client, where, plan, missing, threads):
                advance(len(shard), len(shard))
                interrupts.check()
    return folder.finish(where, plan)


def _workers(address: str) -> int | None:
    """The number in ``local:N``, or None for any other address."""
    if not address.startswith(LOCAL):
        if "://" not in address:
            raise ValueError(
                f"Dask address is {address!r}, expected a scheduler's such as tcp://host:8786, or "
                "local:2 for two processes on this machine"
            )
        return None
    number = address.removeprefix(LOCAL)
    if not number.isdecimal() or int(number) < 1:
        raise ValueError(f"Dask address is {address!r}, expected local: and a number from 1")
    return int(number)


@contextmanager
def connected(address: str, n_threads: int = 0) -> Iterator[tuple[Any, int]]:
    """A client of a cluster, and the threads of one task.

    Parameters
    ----------
    address, n_threads
        As for `write_with_dask`.

    Yields
    ------
    client : distributed.Client
    threads : int

    Raises
    ------
    ImportError, ValueError, OSError
        As for `write_with_dask`.
    """
    workers = _workers(address)
    import distributed

    dask: Any = distributed  # partly typed
    if workers is None:
        try:
            client = dask.Client(address, timeout=ANSWER_S, set_as_default=False)
        except OSError as error:
            raise OSError(f"no Dask scheduler answers at {address}: {error}") from error
        with client:
            yield client, n_threads or 1
        return
    with (
        dask.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=0,  # the images of two shards; nothing that grows
            dashboard_address=None,
            scheduler_kwargs=ANY_PORT,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        dask.Client(cluster, set_as_default=False) as client,
    ):
        yield client, n_threads or max(1, _core.info()["threads"] // workers)


def finished(
    client: Any, make: Callable[..., Any], tasks: Iterable[tuple[str, Item, tuple[Any, ...]]]
) -> Iterator[tuple[Item, Any]]:
    """Run tasks on the workers; gives each with its future when it is done.

    Few tasks wait at a time, however many there are. What is not done when the caller stops is
    cancelled.

    Parameters
    ----------
    client : distributed.Client
    make : callable
        Runs on a worker.
    tasks : iterable of (str, item, tuple)
        A key of its own, what the caller knows the task by, and the arguments.

    Yields
    ------
    item, future
        The future's result raises what `make` raised, ``distributed.KilledWorker`` where several
        workers died of the task, or RuntimeError where the worker has another version of stemfast.
    """
    import distributed

    dask: Any = distributed  # partly typed
    left = iter(tasks)
    running: dict[Any, Item] = {}
    done = dask.as_completed(loop=client.loop)
    version = stemfast_version()

    def submit_some() -> None:
        threads = sum(client.nthreads().values())
        while len(running) < max(WAITING, WAITING * threads):
            task = next(left, None)
            if task is None:
                return
            key, item, arguments = task
            future = client.submit(_of_same_version, version, make, *arguments, key=key)
            running[future] = item
            done.add(future)

    try:
        submit_some()
        for future in done:
            yield running.pop(future), future
            submit_some()
    finally:
        client.cancel(list(running))


def _of_same_version(version: str, make: Callable[..., Any], *arguments: Any) -> Any:
    """Runs on a worker."""
    if (here := stemfast_version()) != version:
        raise RuntimeError(
            f"a worker has stemfast {here}, and the command was given to {version}: what they make "
            "may differ; install the same everywhere"
        )
    return make(*arguments)


def computed(
    address: str, make: Callable[..., Any], tasks: Iterable[tuple[Item, tuple[Any, ...]]]
) -> Generator[tuple[Item, Callable[[], Any]]]:
    """Run tasks of which any worker can do any; those of a worker that dies go to others.

    Parameters
    ----------
    address : str
        As for `write_with_dask`.
    make : callable
        Runs on a worker.
    tasks : iterable of (item, tuple)
        What the caller knows a task by, and the arguments.

    Yields
    ------
    item, callable
        Of each task when it is done. The callable gives what `make` returned, or raises what it
        raised; ChildProcessError where several workers died of the task.

    Raises
    ------
    ImportError, ValueError, OSError
        As for `write_with_dask`.
    """
    name = uuid.uuid4().hex
    keyed = ((f"stemfast-{name}-{k}", item, rest) for k, (item, rest) in enumerate(tasks))
    # Dask's futures talk to its loop as they go: a Ctrl-C that hits one then would be dropped.
    with Interrupts() as interrupts, connected(address) as (client, _):
        for item, future in finished(client, make, keyed):
            interrupts.check()
            yield item, functools.partial(_result, future)


def _result(future: Any) -> Any:
    import distributed

    try:
        return future.result()
    except distributed.KilledWorker as error:
        raise ChildProcessError("several workers died of it: out of memory?") from error


def _written(
    client: Any, where: Path, plan: Plan, shards: Sequence[ShardPlan], n_threads: int
) -> Iterator[ShardPlan]:
    """Let the workers write shards; gives each when it is there."""
    import distributed

    packed = plan.header.model_dump_json()
    name = hashlib.sha256(f"{packed}{where}".encode()).hexdigest()[:16]
    tasks = (
        (
            f"stemfast-shard-{name}-{shard.index}",
            shard,
            (packed, str(where), shard.index, n_threads),
        )
        for shard in shards
    )
    for shard, future in finished(client, _make, tasks):
        try:
            entry = future.result()
        except distributed.KilledWorker as error:
            raise RuntimeError(
                f"several workers died while they wrote {shard.file}: see their logs (out of "
                "memory?), then run the same command again"
            ) from error
        _wait_for(where, entry)
        yield shard


def _wait_for(where: Path, entry: ShardEntry) -> None:
    path = where / entry.file
    until = time.monotonic() + PATIENCE_S
    while not (path.is_file() and path.stat().st_size == entry.n_bytes):
        if time.monotonic() > until:
            raise FileNotFoundError(
                f"a worker says that it wrote {path}, but it is not there: is {where} the same "
                "folder on all machines?"
            )
        time.sleep(0.1)


@functools.lru_cache(maxsize=4)
def _unpacked(packed: str) -> Plan:
    return Plan.from_header(Header.model_validate_json(packed))


def _make(packed: str, where: str, k: int, n_threads: int) -> ShardEntry:
    """Runs on a worker."""
    return make_shard(where, _unpacked(packed), k, n_threads)
