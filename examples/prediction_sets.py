"""Coverage of prediction sets, on test images and beyond the learnt conditions.

    python examples/prediction_sets.py NAME [IMAGES [CASE_IMAGES]]

Prints the rows of docs/results.md for one network of one pixel size that comes along: of IMAGES
(1000 if not said) like those it learnt from the share whose set of 80, 90 and 95 % holds the right
class, the classes in a set of 90 % and the share of sets that are empty; then for each case of
docs/off_distribution.md with a right class, CASE_IMAGES (270) of it, the share that is right and
the share whose set of 90 % holds the right class. It takes some minutes.
"""

import sys

import numpy as np

from stemfast import load_pretrained, recipes
from stemfast.dataset import splits
from stemfast.studies import off_distribution

if len(sys.argv) < 2:
    sys.exit(__doc__)
name = sys.argv[1]
count, of_case = map(int, [*sys.argv[2:4], *("1000", "270")[len(sys.argv) - 2 :]])
trained = load_pretrained(name)
made = trained.card["experiment"]
recipe = recipes.from_dump(made["recipe"], trained.card["recipe"])
first = splits.first_index("test")
scenes = recipe.sample(made["seed"], first, first + count)
images = scenes.simulate()
rows = np.arange(count)
held = {
    share: 100 * trained.prediction_sets(images, share)[rows, scenes.labels].mean()
    for share in (0.8, 0.9, 0.95)
}
size = trained.prediction_sets(images, 0.9).sum(axis=1)
told = [f"{share:.1f} %" for share in held.values()]
print(f"| `{name}` | {' | '.join(told)} | {size.mean():.2f} | {100 * (size == 0).mean():.1f} % |\n")
for case, seen, labels in off_distribution.cases(recipe, seed=made["seed"], images=of_case):
    if labels is None:
        continue
    right = 100 * (trained.predict(seen).classes == labels).mean()
    in_set = 100 * trained.prediction_sets(seen, 0.9)[np.arange(len(labels)), labels].mean()
    print(f"| {case} | {right:.1f} % | {in_set:.1f} % |", flush=True)
