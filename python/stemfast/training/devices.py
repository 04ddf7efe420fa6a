"""Devices that a training run computes on, and its execution settings."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from stemfast.training.log import check_installed

__all__ = ["ExecutionSettings", "batch_sharding", "machine", "pick"]


def pick(kind: str) -> Sequence[jax.Device]:
    """All devices of a kind.

    Parameters
    ----------
    kind : str
        ``"auto"`` (GPUs if there are any), ``"cpu"`` or ``"gpu"``.

    Raises
    ------
    ValueError
        If there is none.

    Examples
    --------
    >>> {device.platform for device in pick("cpu")}
    {'cpu'}
    """
    if kind not in ("auto", "cpu", "gpu"):
        raise ValueError(f"device is {kind!r}, expected auto, cpu or gpu")
    if kind == "auto":
        return jax.devices()
    try:
        return jax.devices(kind)
    except RuntimeError as error:
        raise ValueError(
            f"device is {kind!r}, but JAX finds only {jax.devices()[0].platform}: see "
            "https://docs.jax.dev/en/latest/installation.html, or use --device auto"
        ) from error


def batch_sharding(devices: Sequence[jax.Device], batch_size: int) -> NamedSharding:
    """Share batches out over the devices along their first axis, process by process.

    Raises
    ------
    ValueError
        If the batch cannot be divided evenly.
    """
    if batch_size % len(devices):
        raise ValueError(
            f"batch_size is {batch_size}, expected a multiple of the {len(devices)} devices"
        )
    ordered = sorted(devices, key=lambda device: (device.process_index, device.id))
    return NamedSharding(Mesh(np.array(ordered), ("batch",)), PartitionSpec("batch"))


def machine(sharding: NamedSharding) -> dict[str, Any]:
    """Machine and versions that a run computes with, for its records."""
    import stemfast

    devices = sharding.mesh.devices.ravel()
    return {
        "devices": f"{len(devices)} × {devices[0].device_kind}",
        "platform": devices[0].platform,
        "cores": os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count(),
        "processor": _processor(),
        "python": platform.python_version(),
        "jax": jax.__version__,
        "stemfast": stemfast.__version__,
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


@dataclass(frozen=True)
class ExecutionSettings:
    """Execution settings, which all stages of a run share and which do not change its result.

    Parameters
    ----------
    folder : Path
        Of the run.
    device : str
        ``"auto"``, ``"cpu"`` or ``"gpu"``.
    n_threads : int
        Threads of the simulation, 0 for all cores.
    checkpoint_s : float
        Time between checkpoints [s].
    tensorboard : bool
        Whether events are written as well.

    Raises
    ------
    ValueError
        If there is no such device.
    ImportError
        If events are wanted and cannot be written.
    """

    folder: Path
    device: str = "auto"
    n_threads: int = 0
    checkpoint_s: float = 120.0
    tensorboard: bool = False

    def __post_init__(self) -> None:
        pick(self.device)
        if self.tensorboard:
            check_installed()

    def of_run(self, batch_size: int) -> dict[str, Any]:
        """Arguments of :class:`stemfast.training.task.Run`, for batches of so many images."""
        devices = pick(self.device)
        return {
            "folder": self.folder,
            "sharding": batch_sharding(devices, batch_size),
            "dtype": jnp.bfloat16 if devices[0].platform == "gpu" else jnp.float32,
            "n_threads": self.n_threads,
            "checkpoint_s": self.checkpoint_s,
            "tensorboard": self.tensorboard,
        }
