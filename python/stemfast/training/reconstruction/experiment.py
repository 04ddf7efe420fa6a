"""An experiment of the ground-truth network: first it learns single images, then sets of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from stemfast.recipes import Recipe
from stemfast.training.experiment import Experiment

if TYPE_CHECKING:
    from stemfast.models.reconstructor import GroundTruthConfig
    from stemfast.models.view_reader import ViewReader

__all__ = ["GroundTruthExperiment"]

#: Settings of the third stage, besides `spin_images`.
_THIRD = ("spin_steps", "spin_batch", "spin_learning_rate")
#: Settings of the first two stages alone.
_EARLIER = (
    *("spin", "model", "images", "batch_size", "learning_rate", "corner_weight"),
    *("validation_images", "set_particles", "set_views", "set_steps", "set_batch"),
    *("set_learning_rate", "pooling", "evidence"),
)


class GroundTruthExperiment(Experiment):
    """Everything the training of a ground-truth network depends on.

    The settings of :class:`stemfast.training.Experiment` are those of its first stage, the reader
    of single images, which starts from the trunk of an earlier classifier.

    Attributes
    ----------
    set_particles : int
        Particles whose images are read once, for the second stage; half of them lie at independent
        poses, half are tilted.
    set_views : int
        Images of each.
    set_steps, set_batch, set_learning_rate
        Steps of the second stage, particles in each, and its highest learning rate.
    pooling : "attention", "mean", "max" or "gru"
        How images are put together; all but the first are there to compare with.
    evidence : bool
        Whether likelihoods of corners are multiplied, image by image.
    spin_images : int
        Single images of spinning particles, read once, for the third stage, which learns what a
        known spin says; 0 leaves it out. It changes nothing of what the first two stages learnt;
        ``start_from`` a ground-truth network, it is the only one.
    spin_steps, spin_batch, spin_learning_rate
        Steps of the third stage, images in each, and its highest learning rate.
    test_particles : int
        To judge with, at the end.
    """

    symmetries: bool = False
    set_particles: int = Field(default=16_000, ge=2)
    set_views: int = Field(default=8, ge=1, le=16)
    set_steps: int = Field(default=3000, ge=1)
    set_batch: int = Field(default=64, ge=1)
    set_learning_rate: float = Field(default=1e-3, gt=0)
    pooling: Literal["attention", "mean", "max", "gru"] = "attention"
    evidence: bool = True
    spin_images: int = Field(default=0, ge=0)
    spin_steps: int = Field(default=1000, ge=1)
    spin_batch: int = Field(default=128, ge=1)
    spin_learning_rate: float = Field(default=2e-3, gt=0)
    test_particles: int = Field(default=5000, ge=1)

    def _without_effect(self) -> Iterator[tuple[str, Any, str]]:
        fields = type(self).model_fields
        yield "symmetries", False, "labels of single images are poses, which do not turn with them"
        yield "model.reader", False, "a ground-truth network always has one"
        yield "test_images", fields["test_images"].default, "test_particles are judged"
        if not self.spin_images:
            for key in _THIRD:
                yield key, fields[key].default, "spin_images is 0, there is no third stage"
        yield from (one for one in super()._without_effect() if one[0] != "symmetries")

    def check_third_stage(self, earlier: dict[str, Any]) -> None:
        """Refuse settings of the first two stages, which a third stage alone does not read.

        Parameters
        ----------
        earlier : dict
            Experiment on the card of the network that is trained further; its settings may stand.

        Raises
        ------
        ValueError
            If a setting is neither the default nor that of `earlier`.
        """
        own, before = self.model_dump(), type(self).model_validate(earlier).model_dump()
        for key in _EARLIER:
            default = type(self).model_fields[key].get_default()
            default = default.model_dump() if key == "model" else default
            if own[key] not in (default, before[key]):
                raise ValueError(
                    f"{key} is {own[key]!r} and has no effect: a known spin alone is learnt on "
                    f"top of a ground-truth network, expected {before[key]!r} as there"
                )

    def make_recipe(self) -> Recipe:
        """The recipe of single images, independent of each other."""
        return self.views_recipe(1)

    def views_recipe(
        self,
        views: int,
        *,
        kind: str = "static",
        recipe: str | None = None,
        more: tuple[str, ...] = (),
    ) -> Recipe:
        """The same recipe, or another of this name, with so many images of each particle.

        Parameters
        ----------
        views : int
            Images of each.
        kind : "static" or "tilts"
            At independent poses, or tilted.
        recipe : str, optional
            Name of another recipe.
        more : tuple of str
            Further settings, ``key=value``.
        """
        from stemfast import recipes

        sets = [f"{key}={json.dumps(value)}" for key, value in self.recipe_settings.items()]
        made: Recipe = recipes.resolve(
            recipe or self.recipe,
            conditions=self.conditions,
            spin=self.spin,
            image_px=self.image_px,
            sets=[*sets, f"views={views}", f'series.kind="{kind}"', *more],
        )
        return made

    def make_reader(self) -> ViewReader:
        """The reader with its first weights: the trunk's those of ``start_from``, if given."""
        from flax import nnx

        from stemfast.models import Classifier, ClassifierConfig
        from stemfast.models.view_reader import ViewReader
        from stemfast.training.start import start_from

        trunk = Classifier(
            ClassifierConfig.model_validate(
                {
                    **self.model.architecture(),
                    "n_classes": 9,
                    "image_shape": (self.image_px, self.image_px),
                }
            ),
            rngs=nnx.Rngs(self.seed),
        )
        if self.start_from is not None:
            start_from(trunk, self.start_from)
        return ViewReader(trunk, rngs=nnx.Rngs(self.seed + 1))

    def make_config(self) -> GroundTruthConfig:
        """Architecture of the set network."""
        from stemfast.models.reconstructor import GroundTruthConfig

        return GroundTruthConfig(pooling=self.pooling, evidence=self.evidence)

    def of_sets(self) -> GroundTruthExperiment:
        """The same with the settings of the second stage in the places of the first."""
        return self.model_copy(
            update={
                "images": self.set_steps * self.set_batch,
                "batch_size": self.set_batch,
                "learning_rate": self.set_learning_rate,
            }
        )

    def of_spins(self) -> GroundTruthExperiment:
        """The same with recipe and settings of the third stage in the places of the first."""
        return self.model_copy(
            update={
                "spin": True,
                "images": self.spin_steps * self.spin_batch,
                "batch_size": self.spin_batch,
                "learning_rate": self.spin_learning_rate,
            }
        )
