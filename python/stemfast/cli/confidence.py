"""``stemfast study confidence``: share of wrong answers that `stemfast reconstruct` is sure of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stemfast.cli.options import AsJson, Images, ReadingProgress, Seed, say_results

if TYPE_CHECKING:
    from stemfast.studies.trials.confidence import ConfidenceTrial


def confidence(
    n: Images = 100,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="JSON lines, one for each image; a run that was stopped goes on from there. "
            "Default confidence-SEED.jsonl.",
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Reconstruct cuboids from one image each, at poses that hide corners, and judge the answers.

    Example: [bold]stemfast study confidence -n 50[/bold]

    Cuboids of 0 to 2 cut corners that lie on a face, within 1.5° (one standard deviation); turned
    about one of their axes that stays across the beam; and at any pose. N of each are read. Prints
    the share read right, the share that is wrong though it was more than 90 % sure, error bars,
    and probabilities beside shares. Takes a few seconds for each image on one core.
    """
    from stemfast.studies.trials.confidence import KINDS
    from stemfast.studies.trials.confidence import confidence as judged

    path = out or Path(f"confidence-{seed}.jsonl")
    with ReadingProgress(n * len(KINDS)) as progress:
        result = judged(dict.fromkeys(KINDS, n), seed=seed, path=path, report=progress)
    say_results(result.sights, f"{_table(result)}\nwrote {path}", as_json=json)


def _table(result: ConfidenceTrial) -> str:
    import numpy as np

    from stemfast.evaluation.metrics import wilson_interval
    from stemfast.reconstruction.answer import SURE
    from stemfast.studies.trials.confidence import KINDS

    def share(count: int, n: int) -> str:
        low, high = wilson_interval(count, n)
        return f"{100 * count / n:5.1f} % ({100 * low:.1f} to {100 * high:.1f})"

    lines = []
    for kind in KINDS:
        sights = result.of(kind)
        if not sights:
            continue
        n = len(sights)
        false = [one for one in sights if one.sure and not one.right]
        volume = np.array([(one.volume_error, one.volume_sd) for one in sights if one.right])
        edges = np.array([(one.edge_error, one.edge_sd) for one in sights if one.right])
        within = [
            100 * float((np.abs(part[:, 0]) < part[:, 1]).mean()) if len(part) else float("nan")
            for part in (volume, edges)
        ]
        lines += [
            f"{kind}: {n} images",
            f"  corners counted right         {share(sum(one.right for one in sights), n)}",
            f"  wrong at more than {100 * SURE:.0f} %       {share(len(false), n)}",
            f"  not explained                 {sum(not one.explained for one in sights)}",
            f"  within one error bar          volume {within[0]:.0f} %, edges {within[1]:.0f} %",
            f"  seconds of one core, median   {np.median([one.seconds for one in sights]):.1f}",
            "  mean probability, share right:",
        ]
        lines += [
            f"    {said:.3f}  {right:.3f}  of {count}"
            for _, said, right, count in result.reliability(sights)
        ]
    return "\n".join(lines)
