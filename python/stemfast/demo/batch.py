"""A fictitious batch: several simulated fields, found, classified and reported beside the truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from stemfast import atomic, micrograph
from stemfast.image import Image
from stemfast.populations import classify_folder
from stemfast.populations.report import TRUTH

__all__ = ["report_batch"]


def report_batch(
    folder: Path, seed: int, fields: int, model: str | Path, say: Callable[[str], None]
) -> dict[str, Any]:
    """Simulate a batch, and write the report of it with its true shares.

    Parameters
    ----------
    folder : Path
        The fields are written to ``batch`` in it, the report to itself.
    seed : int
    fields : int
        Number of fields.
    model : str or Path
        Network that classifies.
    say : callable
        Prints a line.

    Returns
    -------
    dict
        Shares and their intervals as in ``report.json``, with the truth.
    """
    batch = folder / "batch"
    batch.mkdir(exist_ok=True)
    truth: Counter[str] = Counter()
    for k in range(fields):
        own = int(np.random.SeedSequence([seed, k]).generate_state(1)[0])
        field = micrograph.simulated_field(own)
        truth.update(field.shapes)
        Image(field.image, field.pixel_size_nm, title=f"field {k}").save(batch / f"field{k}.hspy")
    say(f"\nbatch: {fields} SIMULATED fields of {sum(truth.values())} particles ({batch})")
    atomic.write_json(folder / TRUTH, dict(sorted(truth.items())))
    report = classify_folder(batch, folder, model=model)
    for one in report.content["shapes"]:
        if one["share"] is not None and (one["counted"] or one["true_share"]):
            say(
                f"  {one['shape']}: {100 * one['share']:.1f} % ({100 * one['low']:.1f} to "
                f"{100 * one['high']:.1f} %), in truth {100 * one['true_share']:.1f} %"
            )
    say(f"  report {report.page}")
    told = ("shape", "share", "low", "high", "true_share")
    return {"shapes": [{name: one[name] for name in told} for one in report.content["shapes"]]}
