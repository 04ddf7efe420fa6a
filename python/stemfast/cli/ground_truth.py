"""``stemfast evaluate`` for a ground-truth network: the table and all curves in one go."""

from __future__ import annotations

from pathlib import Path

import typer

__all__ = ["evaluate_ground_truth", "found_ground_truth"]


def found_ground_truth(name: str) -> Path | None:
    """The folder of the ground-truth network of this name, or None if it is something else."""
    from stemfast.pretrained import reconstructor as ground_truth_weights
    from stemfast.pretrained import shipped as pretrained

    folders = (Path(name), pretrained.folder(name))
    return next((one for one in folders if ground_truth_weights.is_model(one)), None)


def evaluate_ground_truth(
    folder: Path,
    *,
    n: int | None,
    out: Path | None,
    threads: int,
    chosen: tuple[object, ...] = (),
) -> None:
    """Judge, compare and draw.

    Parameters
    ----------
    folder : Path
        Of the network. If it is that of a run, the baselines are trained on its readings.
    n : int, optional
        Test particles of the table, 5000 if not given; other curves take a fifth.
    out : Path, optional
        Where to write; ``evaluation-NAME`` if not given.
    threads : int
        Threads of the simulation.
    chosen : tuple
        Options that only classifiers take; all are None.
    """
    if any(option is not None and option != [] for option in chosen):
        raise ValueError(
            f"{folder.name} is a ground-truth network: expected no option but -n, --out and "
            "--threads; its table and all its curves are made in one go"
        )
    from stemfast import atomic
    from stemfast.pretrained import reconstructor as ground_truth_weights
    from stemfast.studies import reconstruction_curves as ground_truth_curves
    from stemfast.studies import reconstruction_pictures as ground_truth_pictures

    particles = 5000 if n is None else n
    if particles < 9:
        raise ValueError(f"-n is {particles}, expected at least 9 particles")
    target = out if out is not None else Path(f"evaluation-{folder.name}")
    made = ground_truth_curves.compare(
        ground_truth_weights.load(folder),
        target,
        run=folder,
        particles=particles,
        few=max(3, particles // 5),
        n_threads=threads,
        say=typer.echo,
    )
    text = ground_truth_pictures.table(made.rows)
    atomic.write_text(target / "comparison.md", text + "\n")
    ground_truth_pictures.pictures(target, made.rows)
    for row in made.rows:
        if row["against"] == "handedness":
            entry = row["figures"]["hand"]
            low, high = (100 * end for end in entry["interval"])
            typer.echo(
                f"handedness, poses {row['poses']}: {100 * entry['share']:.1f} % "
                f"({low:.1f} to {high:.1f}) of {entry['of']}"
            )
    typer.echo(f"{text}\n{target}/")
