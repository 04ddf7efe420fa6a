"""The figures of a finder on simulated test fields: ``stemfast evaluate finder``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stemfast.cli.options import say_results

__all__ = ["evaluate_finder"]


def evaluate_finder(
    folder: Path, *, n: int | None, seed: int | None, out: Path | None, as_json: bool
) -> None:
    """Judge a finder on the fields of its card, or as many of its recipe as are asked for.

    Parameters
    ----------
    folder : Path
        Of the network.
    n : int, optional
        Fields; as many as the card says if not given.
    seed : int, optional
        That of the training if not given.
    out : Path, optional
        Where to write ``evaluation.json``; ``evaluation-NAME`` if not given.
    as_json : bool
        Print the figures as JSON.
    """
    from stemfast import atomic
    from stemfast.dataset.progress import Progress
    from stemfast.fields import FieldRecipe
    from stemfast.finding.network.reading import reader_of
    from stemfast.pretrained.finder import load_finder
    from stemfast.training.finder.finish import test_recipe
    from stemfast.training.finder.judge import judge

    trained = load_finder(folder)
    experiment = trained.card["experiment"]
    fields = experiment["test_fields"] if n is None else n
    if fields < 1:
        raise ValueError(f"-n is {fields}, expected at least 1 field")
    used = experiment["seed"] if seed is None else seed
    recipe = FieldRecipe.model_validate(trained.card["recipe"])
    with Progress("judging", fields) as progress:
        found = judge(
            reader_of(trained.model),
            test_recipe(recipe, experiment["test_px"]),
            seed=used,
            fields=fields,
            progress=lambda _: progress.advance(1, 1),
        )
    found |= {"seed": used}
    target = out if out is not None else Path(f"evaluation-{folder.name}")
    target.mkdir(parents=True, exist_ok=True)
    atomic.write_json(target / "evaluation.json", found)
    say_results(found, f"{_words(found)}\n{target}/", as_json=as_json)


def _words(found: dict[str, Any]) -> str:
    lines = [
        f"{found['particles']:,} particles in {found['fields']} fields",
        f"AP50       {found['ap50']:.3f}",
        *(f"{name:<10} {found[key]:.3f}" for name, key in _FIGURES),
        f"contrast told right in {100 * found['contrast_right']:.1f} % of the fields",
        *(f"F1, {name}: {value:.3f}" for name, value in found["kinds"].items()),
    ]
    return "\n".join(lines)


_FIGURES = (("F1", "f1"), ("recall", "recall"), ("precision", "precision"))
