"""What a network says of images that it did not learn from.

    python examples/off_distribution.py NAME|FOLDER [IMAGES]

Prints the table of docs/off_distribution.md: for each change of film, detector, dose, probe or
particle, the share of IMAGES (1000 if not said) that is right, named, and found unlike anything
learnt. It takes some minutes. A network of portraits reads the cases of the recipe `shapes`.
"""

import sys
from pathlib import Path

from stemfast import pretrained, recipes
from stemfast.studies import off_distribution

if len(sys.argv) < 2:
    sys.exit(__doc__)
name, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1000
trained = pretrained.load(name) if Path(name).is_dir() else pretrained.load_pretrained(name)
made = trained.card["experiment"]
portraits = trained.reads_portraits
recipe = recipes.get("shapes")
if not portraits:
    recipe = recipes.from_dump(made["recipe"], trained.card["recipe"])
found = []
for case, images, labels in off_distribution.cases(recipe, seed=made["seed"], images=count):
    if portraits:
        labels = off_distribution.of_portraits(trained.class_names, case, labels, len(images))
    found.append(off_distribution.measure(trained, case, images, labels))
    print(found[-1], file=sys.stderr)
print(f"{made['name']}, {count} images of each case\n")
print(off_distribution.table(found))
