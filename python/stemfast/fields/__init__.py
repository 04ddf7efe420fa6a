"""Fields: images of many particles on supports and films, with the truth of every particle.

Examples
--------
>>> from stemfast import fields
>>> fields.FieldRecipe(kinds=("sparse",), rows=64, columns=64).draw(seed=1, index=2).kind
'sparse'
"""

from __future__ import annotations

from stemfast.fields.field import Field
from stemfast.fields.laboratory import Laboratory
from stemfast.fields.limits import KINDS
from stemfast.fields.recipe import FieldRecipe
from stemfast.fields.truth import Truth

__all__ = ["KINDS", "Field", "FieldRecipe", "Laboratory", "Truth"]
