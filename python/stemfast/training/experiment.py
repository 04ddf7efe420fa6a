"""Experiment: the recipe, network, optimiser and seeds that a training run is fixed by."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import Annotated, Any, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from stemfast.models import Classifier, ClassifierConfig, make_classifier
from stemfast.models.config import Variant
from stemfast.recipes import Recipe
from stemfast.symmetry.corner_questions import CornerQuestion
from stemfast.training.start import start_from

__all__ = ["Experiment", "ModelSettings", "explained", "get", "names"]

Share = Annotated[float, Field(ge=0, lt=1)]


class Frozen(BaseModel):
    """Settings that cannot change and of which none is unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ModelSettings(Frozen):
    """The network of an experiment; see :class:`stemfast.models.ClassifierConfig`.

    The number of classes and the image size are the recipe's. With `reader` the network finds the
    corners of the cuboid and looks at each (:class:`stemfast.models.CornerClassifier`).
    """

    variant: Variant = "hessian"
    widths: tuple[int, ...] = (32, 64, 128)
    blocks: int = 2
    stem_stride: int = 4
    scales_px: tuple[float, ...] = (1.0, 1.8, 3.0)
    corner_maps: tuple[int, ...] = ()
    binning: int = 1
    poses: int = 1
    reader: bool = False

    def architecture(self) -> dict[str, Any]:
        """Arguments of :class:`stemfast.models.ClassifierConfig`."""
        return self.model_dump(exclude={"reader"})


class Experiment(Frozen):
    """Everything a training run depends on, down to its seeds.

    A setting without effect on the run is refused with a ValueError that names it.

    Attributes
    ----------
    name : str
        What ``stemfast train`` calls it.
    recipe : str
        Recipe of the images, simulated while training.
    conditions : str
        ``"clean"``, ``"standard"`` or ``"hard"``.
    spin : bool
        Whether particles turn during the scan.
    image_px : int
        Side of the images [px].
    recipe_settings : dict
        Further settings of the recipe by dotted name.
    model : ModelSettings
        The network.
    images : int
        Training images to see, none twice; the learning rate falls to 0 with the last.
    batch_size : int
        Images in one step.
    learning_rate, warmup, weight_decay, clip_norm, ema_decay, symmetries
        As :class:`stemfast.training.TrainingSettings`; with ``model.reader`` no symmetries.
    start_from : str, optional
        A network that comes along, or the folder of one, whose weights this one starts with; see
        :func:`stemfast.training.start.start_from`.
    corner_weight : float
        Weight of the loss of the corner maps, 0 for a recipe without corners.
    seed : int
        Seed of the images, of the first weights and of the symmetries shown.
    validation_images, test_images : int
        Images to watch and calibrate with, and to judge with once, at the end.
    evaluations : int
        How often the averaged weights are watched on validation images.

    Examples
    --------
    >>> Experiment(name="test", recipe="shapes").changed(["model.blocks=1"]).model.blocks
    1
    """

    name: str
    recipe: str
    conditions: str = "standard"
    spin: bool = False
    image_px: int = Field(default=128, ge=16)
    recipe_settings: dict[str, Any] = Field(default_factory=dict)
    model: ModelSettings = ModelSettings()
    images: int = Field(default=600_000, ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0)
    warmup: Share = 0.05
    weight_decay: float = Field(default=0.02, ge=0)
    clip_norm: float = Field(default=1.0, gt=0)
    ema_decay: float | None = Field(default=0.995, gt=0, lt=1)
    symmetries: bool = True
    start_from: str | None = None
    corner_weight: float = Field(default=0.0, ge=0)
    seed: int = Field(default=0, ge=0)
    validation_images: int = Field(default=4000, ge=1)
    test_images: int = Field(default=10_000, ge=1)
    evaluations: int = Field(default=20, ge=1)

    @model_validator(mode="after")
    def _fits_together(self) -> Experiment:
        if self.images < self.batch_size:
            raise ValueError(
                f"images is {self.images}, expected at least one batch of {self.batch_size}"
            )
        if (self.corner_weight > 0) != bool(self.model.corner_maps):
            raise ValueError(
                f"corner_weight is {self.corner_weight} and model.corner_maps is "
                f"{self.model.corner_maps}, expected both or neither"
            )
        if self.model.reader and self.recipe not in get_args(CornerQuestion):
            raise ValueError(
                f"model.reader is true for the recipe {self.recipe!r}, expected one whose classes "
                f"are of corners: {', '.join(get_args(CornerQuestion))}"
            )
        for key, expected, why in self._without_effect():
            group, _, name = key.rpartition(".")
            value = getattr(self.model if group else self, name)
            if value != expected:
                raise ValueError(
                    f"{key} is {value!r} and has no effect: {why}, expected {expected!r}"
                )
        return self

    def _without_effect(self) -> Iterator[tuple[str, Any, str]]:
        """Settings that this kind of run does not read: name, only value allowed, and why."""
        if self.model.reader:
            yield "symmetries", False, "a network that finds corners learns from unturned images"
        if not self.model.variant.startswith("hessian"):
            default = ModelSettings.model_fields["scales_px"].default
            yield "model.scales_px", default, f"a {self.model.variant} network has no Hessian stem"

    @property
    def steps(self) -> int:
        """Optimisation steps."""
        return self.images // self.batch_size

    def make_recipe(self) -> Recipe:
        """The recipe that the images are drawn from."""
        from stemfast import recipes

        sets = [f"{key}={json.dumps(value)}" for key, value in self.recipe_settings.items()]
        recipe: Recipe = recipes.resolve(
            self.recipe,
            conditions=self.conditions,
            spin=self.spin,
            image_px=self.image_px,
            sets=sets,
        )
        if recipe.views != 1:
            raise ValueError(
                f"recipe {self.recipe} gives {recipe.views} images of each particle, expected one: "
                "a classifier reads single images"
            )
        return recipe

    def make_model(self, recipe: Recipe) -> Classifier:
        """The network for a recipe's images, with its first weights."""
        from flax import nnx

        settings = {
            **self.model.architecture(),
            "n_classes": len(recipe.class_names),
            "image_shape": recipe.image_shape,
            "question": self.recipe if self.model.reader else None,
        }
        try:
            config = ClassifierConfig.model_validate(settings)
        except ValidationError as error:
            raise ValueError(explained(error, type(self))) from None
        model = make_classifier(config, rngs=nnx.Rngs(self.seed))
        if self.start_from is not None:
            start_from(model, self.start_from)
        return model

    def changed(self, sets: list[str]) -> Self:
        """The same experiment with some settings changed.

        Parameters
        ----------
        sets : list of str
            ``key=value`` or ``model.key=value``; ``recipe.key=value`` changes a setting of the
            recipe. Values are JSON, or text as it stands.

        Raises
        ------
        ValueError
            If there is no such setting, or the value is not allowed.
        """
        values = self.model_dump()
        for text in sets:
            key, equals, raw = text.partition("=")
            if not equals or not key:
                raise ValueError(f"--set {text!r}: expected KEY=VALUE such as batch_size=32")
            try:
                value = json.loads(raw)
            except ValueError:
                value = raw
            group, dot, inner = key.partition(".")
            if dot and group == "recipe":
                values["recipe_settings"][inner] = value
            elif dot and group == "model":
                values["model"][inner] = value
            else:
                values[key] = value
        try:
            return type(self).model_validate(values)
        except ValidationError as error:
            raise ValueError(explained(error, type(self))) from None


def explained(error: ValidationError, kind: type[Experiment]) -> str:
    """Validation errors as one line: the setting, its value, the expected one."""
    said = []
    for problem in error.errors():
        key = ".".join(map(str, problem["loc"]))
        if problem["type"] == "extra_forbidden":
            group = ModelSettings if key.startswith("model.") else kind
            known = ", ".join(group.model_fields)
            said.append(f"an experiment has no setting {key!r}, expected one of {known}")
        elif key:
            said.append(f"{key} is {problem['input']!r}: {problem['msg']}")
        else:
            said.append(problem["msg"].removeprefix("Value error, "))
    return "; ".join(said)


def names() -> tuple[str, ...]:
    """Names of the experiments, one for each file in ``training/experiments``."""
    from stemfast.training import experiments

    return tuple(sorted(m.name.replace("_", "-") for m in iter_modules(experiments.__path__)))


def get(name: str) -> Experiment:
    """The experiment called `name`.

    Raises
    ------
    ValueError
        If there is none of that name.

    Examples
    --------
    >>> get("count").recipe
    'count'
    """
    if name not in names():
        raise ValueError(f"experiment is {name!r}, expected one of {', '.join(names())}")
    module = import_module(f"stemfast.training.experiments.{name.replace('-', '_')}")
    experiment: Experiment = module.EXPERIMENT
    return experiment
