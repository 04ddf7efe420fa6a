"""Settings of a finder's training."""

from __future__ import annotations

import difflib
import json
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Self

import optax

from stemfast.fields import FieldRecipe
from stemfast.models.finder_config import FinderConfig
from stemfast.recipes.resolve import settings_of

__all__ = ["TEST_FIRST", "VALIDATION_FIRST", "FinderExperiment"]

#: Fields that validation and test begin with: training never comes so far.
VALIDATION_FIRST, TEST_FIRST = 2**40, 2**41


@dataclass(frozen=True)
class FinderExperiment:
    """Settings of a finder's training.

    Parameters
    ----------
    steps, batch_size : int
        Number of steps, and samples in each.
    fresh, ring : int
        New fields for each step, and fields kept to be shown again in other poses.
    learning_rate, weight_decay, warmup, ema_decay, clip_norm : float
        Of AdamW with a warm-up over a share of the steps, then a cosine to zero.
    seed : int
        Of the fields and of the first weights.
    field_px : int
        Side of the fields [px].
    test_fields, test_px : int
        Number and side [px] of the simulated fields that the network is judged on.
    network : FinderConfig
        Architecture.
    start_from : str
        "finder" for the weights that come with the package, or the folder of a run; by default
        training begins at random.
    recipe_settings : dict
        Changes of the fields' settings: ``recipe.brightness_sigma=[0.1,0.5]`` in `changed`.
    """

    steps: int = 3000
    batch_size: int = 12
    fresh: int = 4
    ring: int = 400
    learning_rate: float = 1.5e-3
    weight_decay: float = 1e-4
    warmup: float = 0.03
    ema_decay: float = 0.998
    clip_norm: float = 1.0
    seed: int = 1
    field_px: int = 192
    test_fields: int = 300
    test_px: int = 384
    network: FinderConfig = field(default_factory=FinderConfig)
    start_from: str = ""
    recipe_settings: dict[str, Any] = field(default_factory=dict)

    def recipe(self) -> FieldRecipe:
        """Fields that the network learns from."""
        settings = {
            "kinds": (
                *("monolayer", "monolayer", "carbon-black", "carbon-black", "silica", "silica"),
                *("powder", "powder", "powder", "alumina", "zeolite", "graphene"),
                *("sparse", "large", "large", "rods", "rods"),
            ),
            "rows": self.field_px,
            "columns": self.field_px,
            "diameter_px": (6.0, 90.0),
            "cover": (0.01, 0.35),
            "sigma": (0.1, 0.6),
            "mottled": 0.35,
        }
        return FieldRecipe(**(settings | self.recipe_settings))

    def optimiser(self) -> optax.GradientTransformation:
        """AdamW on its schedule."""
        rate = optax.warmup_cosine_decay_schedule(
            0.0, self.learning_rate, max(1, round(self.warmup * self.steps)), self.steps
        )
        return optax.chain(
            optax.clip_by_global_norm(self.clip_norm),
            optax.adamw(rate, weight_decay=self.weight_decay),
        )

    def changed(self, sets: list[str]) -> Self:
        """The same experiment with some settings changed.

        Parameters
        ----------
        sets : list of str
            ``key=value``; values are JSON. ``recipe.key=value`` changes the fields.

        Raises
        ------
        ValueError
            If there is no such setting, or the value is of another type or out of range.

        Examples
        --------
        >>> FinderExperiment().changed(["steps=200"]).steps
        200
        """
        known = {item.name: getattr(self, item.name) for item in fields(self)}
        del known["network"], known["recipe_settings"]
        values: dict[str, Any] = {}
        of_fields: list[str] = []
        for text in sets:
            key, equals, raw = text.partition("=")
            if not equals:
                raise ValueError(f"--set {text!r}: expected KEY=VALUE such as steps=2000")
            if key.startswith("recipe."):
                of_fields.append(text.removeprefix("recipe."))
                continue
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean {near[0]!r}? " if near else ""
                raise ValueError(
                    f"the finder has no setting {key!r}; {hint}Its settings: {', '.join(known)}, "
                    "and those of its fields as recipe.KEY"
                )
            kind = type(known[key])
            if kind is str:
                values[key] = raw
                continue
            try:
                values[key] = kind(json.loads(raw))
            except (ValueError, TypeError):
                raise ValueError(f"--set {text!r}: expected a number ({kind.__name__})") from None
        values["recipe_settings"] = settings_of(None, self.recipe_settings, of_fields)
        made = replace(self, **values)
        made.recipe()
        return made

    def described(self) -> dict[str, Any]:
        """Settings as plain values for files."""
        return asdict(self)

    @classmethod
    def from_description(cls, values: dict[str, Any]) -> Self:
        """The experiment that `described` gave."""
        own = dict(values)
        network = own.pop("network")
        config = FinderConfig(widths=tuple(network["widths"]), head=int(network["head"]))
        return cls(network=config, **own)
