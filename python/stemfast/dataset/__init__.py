"""Labelled images on disk: HyperSpy-readable, memory-mapped shards with a manifest.

Importing this loads h5py.
"""

from pathlib import Path

from stemfast.dataset.export import export
from stemfast.dataset.manifest import Manifest, ShardEntry
from stemfast.dataset.plan import Plan, ShardPlan
from stemfast.dataset.read import Dataset, Samples
from stemfast.dataset.streaming.batch import Batch
from stemfast.dataset.streaming.stream import Stream, stream
from stemfast.dataset.verify import Verification, verify
from stemfast.dataset.write import make_shard, write

__all__ = [
    "Batch",
    "Dataset",
    "Manifest",
    "Plan",
    "Samples",
    "ShardEntry",
    "ShardPlan",
    "Stream",
    "Verification",
    "export",
    "make_shard",
    "open",
    "stream",
    "verify",
    "write",
]


def open(directory: str | Path, split: str | None = None) -> Dataset:
    """Open the data set in `directory`, or one split of it; see :class:`Dataset`."""
    return Dataset(directory, split)
