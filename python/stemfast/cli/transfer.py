"""``stemfast train transfer`` and ``stemfast study transfer``: networks on few labelled images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stemfast.cli.options import AsJson, say_results

if TYPE_CHECKING:
    from stemfast.recipes import Recipe
    from stemfast.training import TrainingSettings
    from stemfast.transfer import Backbone as AnyBackbone
    from stemfast.transfer import SplitImages

DEFAULT_RECIPE = "deformed"
DEFAULT_PER_CLASS = 1000
DEFAULT_TEST_IMAGES = 2000

_SIMULATED = "Simulated images"

Backbone = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="inception-v3, resnet50, efficientnet-b0; or one of our networks: its name (count) "
        "or its folder.",
    ),
]
Backbones = Annotated[
    list[str] | None,
    typer.Option(
        "--backbone",
        metavar="NAME",
        help="A Keras network; may be given repeatedly. Default: inception-v3, or none with "
        "--pretrained.",
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        metavar="WHICH",
        help="Of a Keras network: imagenet (the default; downloaded once), a file (.h5, .keras), "
        "or random.",
    ),
]
Images = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Your own labelled images, one sub-folder for each class."),
]
RecipeName = Annotated[
    str | None,
    typer.Option(metavar="NAME", rich_help_panel=_SIMULATED, help="Default: deformed."),
]
PerClass = Annotated[
    int | None,
    typer.Option(
        metavar="N", rich_help_panel=_SIMULATED, help="Labelled images of each class: 1000."
    ),
]
TestImages = Annotated[
    int | None,
    typer.Option(metavar="N", rich_help_panel=_SIMULATED, help="Images to judge by: 2000."),
]
Conditions = Annotated[
    str | None,
    typer.Option(metavar="clean|standard|hard", rich_help_panel=_SIMULATED, help="How hard."),
]
Pixels = Annotated[
    int | None,
    typer.Option("--image-px", metavar="N", rich_help_panel=_SIMULATED, help="Rows and columns."),
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        rich_help_panel=_SIMULATED,
        help="Change a setting of the recipe. May be given repeatedly.",
    ),
]
Seed = Annotated[int, typer.Option(metavar="N", help="Seed of the images or of their split.")]
Cache = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Where features are kept. Default: the user's cache."),
]
ModelFolder = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Where to write. Default: transfer-BACKBONE."),
]
TableFolder = Annotated[Path, typer.Option(metavar="FOLDER", help="Where to write the table.")]
Pretrained = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Our pretrained network: its name (count) or its folder."),
]
Epochs = Annotated[int, typer.Option(metavar="N", help="Epochs of our network from scratch.")]
Layers = Annotated[
    str,
    typer.Option(
        metavar="last|all",
        help="Train the last layer alone, or, of one of our networks, all of them.",
    ),
]
FineTuningEpochs = Annotated[
    int | None,
    typer.Option("--epochs", metavar="N", min=1, help="With --layers all: epochs. Default: 30."),
]
Symmetries = Annotated[
    bool,
    typer.Option(
        "--symmetries/--no-symmetries",
        help="With --layers all: show images turned and mirrored too. Not where classes differ by "
        "direction or handedness.",
    ),
]


def transfer(
    backbone: Backbone = "inception-v3",
    weights: Weights = None,
    images: Images = None,
    recipe: RecipeName = None,
    per_class: PerClass = None,
    test_images: TestImages = None,
    conditions: Conditions = None,
    image_px: Pixels = None,
    sets: Sets = None,
    layers: Layers = "last",
    epochs: FineTuningEpochs = None,
    symmetries: Symmetries = True,
    seed: Seed = 0,
    cache: Cache = None,
    out: ModelFolder = None,
) -> None:
    """Retrain the last layer of a network, or all, on your own images or on simulated ones.

    Example: [bold]stemfast train transfer --backbone inception-v3 --images my-particles[/bold]

    The backbone's features of each image are computed once and kept, so a second run, or one with
    more images, is quick. Writes the model, for stemfast.transfer.load, and result.json with every
    figure.
    """
    from stemfast import atomic, transfer
    from stemfast.transfer.model import check_free
    from stemfast.transfer.own_backbone import OwnBackbone

    folder = Path(f"transfer-{Path(backbone).name}") if out is None else out
    check_free(folder)
    network = transfer.backbone(backbone, weights)
    plan = _fine_tuning(network, layers, epochs, symmetries, seed)
    if images is not None:
        simulated = (recipe, per_class, test_images, conditions, image_px, sets or None)
        if any(option is not None for option in simulated):
            raise ValueError(
                "--images takes your own images; --recipe, --per-class, --test-images, "
                "--conditions, --image-px and --set are for simulated ones"
            )
        labelled = transfer.from_folder(images, seed=seed)
    else:
        chosen = _recipe(recipe, conditions, image_px, sets)
        labelled = _simulated(chosen, per_class, test_images, seed)
    _say(str(labelled))
    result: transfer.TransferResult | transfer.FineTuned
    if plan is None or not isinstance(network, OwnBackbone):
        result = transfer.train(labelled, network, cache=cache, say=_say)
    else:
        result = transfer.fine_tune(labelled, network, plan, cache=cache, say=_say)
    transfer.save(folder, result.model)
    atomic.write_json(folder / "result.json", result.to_dict())
    typer.echo(str(result))
    typer.echo(f"wrote {folder}")


def _fine_tuning(
    network: AnyBackbone, layers: str, epochs: int | None, symmetries: bool, seed: int
) -> TrainingSettings | None:
    """Settings for all layers; None where the last one is retrained alone."""
    from stemfast.transfer.finetune import FINE_TUNING
    from stemfast.transfer.own_backbone import OwnBackbone

    if layers not in ("last", "all"):
        raise ValueError(f"--layers is {layers!r}, expected last or all")
    if layers == "last":
        if epochs is not None:
            raise ValueError("--epochs is for --layers all: a last layer has none")
        if not symmetries:
            raise ValueError("--no-symmetries is for --layers all: the last one sees them as is")
        return None
    if not isinstance(network, OwnBackbone):
        raise ValueError(
            f"--layers all is for networks of stemfast's own, such as count, not for {network.name}"
        )
    chosen = FINE_TUNING.epochs if epochs is None else epochs
    return FINE_TUNING.model_copy(update={"seed": seed, "epochs": chosen, "symmetries": symmetries})


def compare(
    backbone: Backbones = None,
    weights: Weights = None,
    pretrained: Pretrained = None,
    recipe: RecipeName = None,
    per_class: PerClass = None,
    test_images: TestImages = None,
    conditions: Conditions = None,
    image_px: Pixels = None,
    sets: Sets = None,
    epochs: Epochs = 60,
    seed: Seed = 0,
    cache: Cache = None,
    out: TableFolder = Path("comparison"),
    json: AsJson = False,
) -> None:
    """Transfer learning, our network from scratch, and our pretrained one, in one table.

    Example: [bold]stemfast study transfer --backbone inception-v3 --pretrained count[/bold]

    All use the same labelled images and are judged by the same test images. Writes comparison.md
    and comparison.json.
    """
    from stemfast.transfer import compare as compare_methods
    from stemfast.transfer.compare import check_free

    check_free(out)
    table = compare_methods(
        _recipe(recipe, conditions, image_px, sets),
        per_class=DEFAULT_PER_CLASS if per_class is None else per_class,
        test_images=DEFAULT_TEST_IMAGES if test_images is None else test_images,
        backbones=tuple(backbone or ([] if pretrained else ["inception-v3"])),
        weights=weights,
        pretrained=pretrained,
        epochs=epochs,
        seed=seed,
        cache=cache,
        say=_say,
    )
    table.write(out)
    say_results(table.to_dict(), f"{table}\nwrote {out}", as_json=json)


def _recipe(
    name: str | None, conditions: str | None, image_px: int | None, sets: list[str] | None
) -> Recipe:
    from stemfast import recipes

    return recipes.resolve(
        DEFAULT_RECIPE if name is None else name,
        conditions=conditions,
        image_px=image_px,
        sets=sets or (),
    )


def _simulated(
    recipe: Recipe, per_class: int | None, test_images: int | None, seed: int
) -> SplitImages:
    from stemfast import transfer

    return transfer.from_recipe(
        recipe,
        per_class=DEFAULT_PER_CLASS if per_class is None else per_class,
        test_images=DEFAULT_TEST_IMAGES if test_images is None else test_images,
        seed=seed,
    )


def _say(text: str) -> None:
    typer.echo(text, err=True)
