"""End of a finder's training: figures on test fields, stored network, model card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax

from stemfast import atomic
from stemfast.fields import FieldRecipe
from stemfast.finding.network.reading import reader_of
from stemfast.models.finder import Finder
from stemfast.pretrained.finder import TrainedFinder, save_finder
from stemfast.pretrained.store import flat, rounded_to_float16
from stemfast.training.devices import batch_sharding, machine
from stemfast.training.finder.experiment import FinderExperiment
from stemfast.training.finder.judge import judge

__all__ = ["card_text", "finish", "test_recipe"]

#: Typical particles in the test fields [px].
TEST_DIAMETER_PX = (8.0, 60.0)


def test_recipe(recipe: FieldRecipe, field_px: int) -> FieldRecipe:
    """Fields that a finder is judged on: those of its training, but larger.

    Parameters
    ----------
    recipe : FieldRecipe
        Of its training.
    field_px : int
        Rows and columns.
    """
    update = {"rows": field_px, "columns": field_px, "diameter_px": TEST_DIAMETER_PX}
    return recipe.model_copy(update=update)


def finish(
    experiment: FinderExperiment,
    model: Finder,
    folder: Path,
    *,
    seconds: float,
    command: str,
    own: dict[str, Any] | None = None,
    remark: str = "",
) -> TrainedFinder:
    """Round the weights, judge them on test fields, and write network and card.

    Parameters
    ----------
    experiment : FinderExperiment
    model : Finder
    folder : Path
    seconds : float
        Training took [s].
    command : str
        What the user typed.
    own : dict, optional
        Figures on images of the user's.
    remark : str
        What else the card is to say of how it was made.

    Returns
    -------
    TrainedFinder
    """
    network = rounded_to_float16(model)
    parameters = sum(x.size for x in flat(network).values())
    test = judge(
        reader_of(network),
        test_recipe(experiment.recipe(), experiment.test_px),
        seed=experiment.seed,
        fields=experiment.test_fields,
    )
    card = {
        "experiment": experiment.described(),
        "recipe": experiment.recipe().model_dump(mode="json"),
        "machine": machine(batch_sharding(jax.devices(), 1)),
        "seconds": seconds,
        "command": command,
        "parameters": parameters,
        "fields_seen": experiment.ring + experiment.steps * experiment.fresh,
        "test": test,
        **({"remark": remark} if remark else {}),
        **({} if own is None else {"own": own}),
    }
    trained = TrainedFinder(network, card)
    save_finder(folder, trained)
    atomic.write_text(folder / "model_card.md", card_text(trained))
    return trained


def card_text(trained: TrainedFinder) -> str:
    """Model card of a finder in Markdown."""
    card = trained.card
    test, experiment, made_on = card["test"], card["experiment"], card["machine"]
    lines = [
        "# Model card: finder",
        "",
        "Finds the particles of a micrograph: bright or dark, any image size, some 5 px across to "
        "most of the image. Gives a star-convex outline and a score of each.",
        "",
        "## Figures",
        "",
        f"On {test['fields']} simulated test fields of {experiment['test_px']} px "
        f"({test['particles']:,} particles) that it never saw, at an overlap (intersection over "
        "union) of one half:",
        "",
        "| figure | value |",
        "|---|---|",
        f"| average precision, AP50 | {test['ap50']:.3f} |",
        f"| F1 | {test['f1']:.3f} |",
        f"| recall | {test['recall']:.3f} |",
        f"| precision | {test['precision']:.3f} |",
        f"| contrast (bright or dark) told right | {100 * test['contrast_right']:.1f} % |",
        *(f"| F1, {name} | {value:.3f} |" for name, value in test["kinds"].items()),
        "",
        *_own_lines(card.get("own")),
        "## How it was made",
        "",
        f"- Command: `{card['command'] or 'stemfast.training.finder.train_finder'}`",
        f"- Machine: {made_on['devices']} ({made_on['processor']}, {made_on['cores']} cores), JAX "
        f"{made_on['jax']}, stemfast {made_on['stemfast']}.",
        f"- {card['fields_seen']:,} simulated fields of {experiment['field_px']} × "
        f"{experiment['field_px']} px, each shown about "
        f"{experiment['batch_size'] / experiment['fresh']:.0f} times in other poses, in "
        f"{card['seconds'] / 3600:.2f} h.",
        f"- Network: U-Net of widths {'–'.join(map(str, experiment['network']['widths']))}, "
        f"{card['parameters']:,} weights.",
        f"- Seed {experiment['seed']}; training, validation and test fields come from ranges that "
        "never meet.",
        *_began_from(experiment.get("start_from")),
        *([f"- {card['remark']}"] if "remark" in card else []),
        "",
        "## Limits",
        "",
        *([] if "own" in card else ["- It learnt from simulated fields alone."]),
        "- Branched, concave or very long particles are not star-convex and come out in part or in "
        "pieces.",
        "- Its score orders detections; it is no probability.",
        "- What it finds on labelled real images is in docs/find.md.",
        "",
        "## Settings",
        "",
        "```json",
        json.dumps({"experiment": experiment, "recipe": card["recipe"]}, indent=1),
        "```",
        "",
    ]
    return "\n".join(lines)


def _began_from(earlier: str | None) -> list[str]:
    if not earlier:
        return []
    named = "the finder that shipped then" if earlier == "finder" else f"`{earlier}`"
    return [f"- It began from the weights of {named}."]


def _own_lines(own: dict[str, Any] | None) -> list[str]:
    if own is None:
        return []
    return [
        f"On {own['images']} images of the user's ({own['particles']} particles) that were held "
        f"out: F1 {own['before']:.3f} before it learnt from as many others, {own['after']:.3f} "
        "after.",
        "",
    ]
