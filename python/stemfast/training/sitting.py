"""How a run is carried out, which does not change what comes of it: where, on what, how watched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp

from stemfast.training.devices import batch_sharding, pick
from stemfast.training.event_log import check_installed

__all__ = ["Sitting"]


@dataclass(frozen=True)
class Sitting:
    """What all stages of a run have in common besides their experiment.

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
        """What :class:`stemfast.training.run.Run` takes, for batches of so many images."""
        devices = pick(self.device)
        return {
            "folder": self.folder,
            "sharding": batch_sharding(devices, batch_size),
            "dtype": jnp.bfloat16 if devices[0].platform == "gpu" else jnp.float32,
            "n_threads": self.n_threads,
            "checkpoint_s": self.checkpoint_s,
            "tensorboard": self.tensorboard,
        }
