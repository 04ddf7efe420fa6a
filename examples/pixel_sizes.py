"""Images of other sizes and pixel sizes, read with and without resampling.

    python examples/pixel_sizes.py NAME [IMAGES]

Prints the rows of docs/results.md for one network that comes along: the share of IMAGES (540 if not
said) that is right where the images are read as they are (of larger ones the middle), and where
their pixel size is given; and the share found unlike anything learnt. It takes about a minute.
"""

import sys
import warnings

from stemfast import load_pretrained, recipes
from stemfast.dataset import splits
from stemfast.evaluation.metrics import wilson_interval

#: Width of the field over the learnt one, and pixels along a side.
CASES = ((1.0, 256), (1.5, 192), (1.0, 96), (1.5, 128), (2.0, 128), (1.0, 64))

if len(sys.argv) < 2:
    sys.exit(__doc__)
name, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 540
trained = load_pretrained(name)
learnt = recipes.from_dump(trained.card["experiment"]["recipe"], trained.card["recipe"])
first = splits.first_index("test")
warnings.simplefilter("ignore", UserWarning)  # the page is about what they warn of
for wide, px in CASES:
    recipe = learnt.replace(field_nm=wide * learnt.field_nm, image_px=px)
    scenes = recipe.sample(trained.card["experiment"]["seed"], first, first + count)
    images = scenes.simulate()
    plain = "refused"
    if px >= learnt.image_px:
        start = (px - learnt.image_px) // 2
        middle = images[:, start : start + learnt.image_px, start : start + learnt.image_px]
        plain = f"{100 * (trained.predict(middle).classes == scenes.labels).mean():.1f} %"
    said = trained.predict(images, pixel_size_nm=recipe.pixel_size_nm)
    right = int((said.classes == scenes.labels).sum())
    low, high = (100 * end for end in wilson_interval(right, count))
    print(
        f"| `{name}` | {px} px at {recipe.pixel_size_nm:.3g} nm | {plain} | "
        f"{100 * right / count:.1f} % ({low:.1f}–{high:.1f}) | "
        f"{100 * (said.novelty > 1).mean():.1f} % |",
        flush=True,
    )
