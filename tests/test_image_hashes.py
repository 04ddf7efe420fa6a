"""Images of every recipe are the same bits on every machine: their hashes stand here.

Forty of each here; ``make fuzz`` hashes 1,000 with ``STEMFAST_HASH_IMAGES=1000``. A change that is
meant to change images changes the hashes too: the failing test shows the new ones.
"""

from __future__ import annotations

import os
import platform

import pytest

from instruction_sets import digests_of
from stemfast import recipes

FEW = 40
COUNT = int(os.environ.get("STEMFAST_HASH_IMAGES", FEW))
PROGRAM = f"""
import hashlib
from stemfast import recipes
digests = []
for name in recipes.names():
    recipe = recipes.get(name, image_px=64)
    several, images = hashlib.sha256(), 0
    while images < {COUNT}:
        part = recipe.sample(7, images, images + {FEW}).simulate()
        several.update(part.tobytes())
        images += {FEW}
    digests.append(several.hexdigest()[:16])
"""

#: Of the first 40 images of 64² and of the first 1,000.
HASHES = {
    "shapes": ("7b34ed40291d5260", "3a064c2d7086488b"),
    "deformed": ("ffbf589c1615e385", "b8aeb14cd5610e71"),
    "count": ("3e2a40a2bd9a98bf", "eca3059fd4633e5d"),
    "pairs-cube": ("d3ab09ce36abb537", "e5ffa8e489ac8433"),
    "pairs-cuboid": ("dfa27ce8610cedfc", "4c5ebe96d485e263"),
    "corners": ("998a4a56173995bf", "de9ce5b44c801148"),
    "ground-truth": ("438e06df058ec6e9", "10c3b83f35c285f6"),
    "handedness": ("e8e52b3403f46fec", "4a55d2ef5b97480c"),
}


@pytest.mark.skipif(COUNT not in (FEW, 1000), reason="hashes of 40 and of 1,000 images are known")
@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="hashes were taken on x86-64"
)
def test_images_of_every_recipe_are_the_bits_that_stand_here():
    for instruction_set, digests in digests_of(PROGRAM).items():
        found = dict(zip(recipes.names(), digests, strict=True))
        known = {name: pair[COUNT == 1000] for name, pair in HASHES.items()}
        assert found == known, instruction_set
