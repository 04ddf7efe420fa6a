"""Networks that were never trained, with the records that a run leaves."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from flax import nnx

from stemfast.models import Classifier, ClassifierConfig
from stemfast.pretrained import TrainedClassifier
from stemfast.training import Experiment
from stemfast.training.experiment import ModelSettings

SMALL = Experiment(
    name="small",
    recipe="count",
    image_px=32,
    model=ModelSettings(variant="plain", widths=(4,), blocks=1, stem_stride=2),
    images=64,
)


def by_chance(temperature: float = 1.0) -> TrainedClassifier:
    """What answers by chance, one image like this, another like that."""
    model = SMALL.make_model(SMALL.make_recipe())
    model.head.kernel[...] = jnp.asarray(
        np.random.default_rng(0).normal(size=model.head.kernel[...].shape), jnp.float32
    )
    return _with_records(model, SMALL, temperature)


def undecided(experiment: Experiment) -> TrainedClassifier:
    """What finds all three shapes as likely, whatever it sees."""
    config = ClassifierConfig(n_classes=3, image_shape=(32, 32), widths=(8, 16))
    return _with_records(Classifier(config, rngs=nnx.Rngs(0)), experiment)


def decided(experiment: Experiment, seed: int = 1) -> TrainedClassifier:
    """A network that is sure of one of three shapes, by chance of this one or that."""
    trained = undecided(experiment)
    weights = 30.0 * np.random.default_rng(seed).normal(size=trained.model.head.kernel[...].shape)
    trained.model.head.kernel[...] = jnp.asarray(weights, jnp.float32)
    return trained


def _with_records(
    model: Classifier, experiment: Experiment, temperature: float = 1.0
) -> TrainedClassifier:
    recipe = experiment.make_recipe()
    card = {
        "experiment": experiment.model_dump(mode="json"),
        "recipe": recipe.model_dump(mode="json"),
    }
    return TrainedClassifier(model, recipe.class_names, temperature, card)
