"""Settings of the training on portraits of found particles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flax import nnx
from pydantic import Field, ValidationError

from stemfast.fields import FieldRecipe
from stemfast.micrograph.portrait import PORTRAIT_PX
from stemfast.models import Classifier, ClassifierConfig, make_classifier
from stemfast.training.experiment import Experiment, explained
from stemfast.training.portraits.sitters import CLASS_NAMES
from stemfast.training.start import start_from

__all__ = ["FIELDS", "PortraitExperiment"]

#: Solids in the shares that they have among the portraits: two of each class, but four spheres
#: and cuboids and three irregular ones, which are met more often.
_SOLIDS = (
    *("sphere", "sphere", "sphere", "sphere", "irregular", "irregular", "irregular"),
    *("ellipsoid", "ellipsoid", "cuboid", "rounded cuboid", "cuboid", "rounded cuboid"),
    *("tetrahedron", "truncated tetrahedron", "octahedron", "octahedron"),
    *("truncated octahedron", "cuboctahedron", "decahedron", "decahedron"),
    *("icosahedron", "icosahedron", "hexagonal plate", "hexagonal plate"),
    *("triangular plate", "snipped triangular plate", "rod", "capped rod"),
    *("core-shell", "core-shell", "hollow", "hollow"),
)
#: Settings of the fields that portraits are taken of; ``recipe.KEY=VALUE`` changes them.
FIELDS: dict[str, Any] = {
    "kinds": (
        *("sparse", "sparse", "sparse", "large", "large", "monolayer"),
        *("carbon-black", "silica", "alumina", "graphene"),
    ),
    "rows": 256,
    "columns": 256,
    "diameter_px": (9.0, 90.0),
    "cover": (0.03, 0.35),
    "shapes": _SOLIDS,
    "empty": 0.01,
    # Probes as wide as particles, little noise and shifted rows: without these a blurred cube is
    # taken for a core in a shell.
    "best_signal_to_noise": 60.0,
    "widest_probe": 1.0,
    "jittered": 0.4,
    "row_jitter_px": (0.2, 2.0),
}


class PortraitExperiment(Experiment):
    """A training run on particles cut out of simulated fields, scaled to one size.

    Attributes
    ----------
    fresh : int
        New fields drawn for each step.
    ring : int
        Fields of which the particles are kept, to fill up batches in other poses.
    most : int
        Particles taken of a field at most.
    """

    recipe: str = "field"
    image_px: int = Field(default=PORTRAIT_PX, ge=PORTRAIT_PX, le=PORTRAIT_PX)
    fresh: int = Field(default=5, ge=1)
    ring: int = Field(default=400, ge=1)
    most: int = Field(default=8, ge=1)

    def _without_effect(self) -> Iterator[tuple[str, Any, str]]:
        yield "recipe", "field", "portraits are of fields"
        yield "conditions", "standard", "fields have no conditions"
        yield "spin", False, "the particles of fields stand still"
        yield "corner_weight", 0.0, "fields say nothing of corners here"
        yield "model.reader", False, "no corners are looked for"

    def make_recipe(self) -> Any:
        """The fields."""
        return FieldRecipe(**(FIELDS | self.recipe_settings))

    def make_model(self, recipe: Any) -> Classifier:
        """The network, with its first weights."""
        settings = {
            **self.model.architecture(),
            "n_classes": len(CLASS_NAMES),
            "image_shape": (PORTRAIT_PX, PORTRAIT_PX),
        }
        try:
            config = ClassifierConfig.model_validate(settings)
        except ValidationError as error:
            raise ValueError(explained(error, type(self))) from None
        model = make_classifier(config, rngs=nnx.Rngs(self.seed))
        if self.start_from is not None:
            start_from(model, self.start_from)
        return model
