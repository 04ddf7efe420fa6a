"""Let classifiers read each image in several orientations, and calibrate and judge them anew.

    python examples/read_in_poses.py POSES FOLDER ...

POSES is 1, 2, 4 or 8, as in `stemfast train NAME --set model.poses=8`, whose weights are the same:
training does not depend on it. Validation and test images are simulated again; the folder gets the
new temperature, prediction sets, figures and card.
"""

import sys
from pathlib import Path

from stemfast import pretrained, recipes
from stemfast.training.experiment import Experiment
from stemfast.training.finish import store

if len(sys.argv) < 3 or sys.argv[1] not in ("1", "2", "4", "8"):
    sys.exit(__doc__)
for folder in sys.argv[2:]:
    trained = pretrained.load(folder)
    change = f"model.poses={sys.argv[1]}"
    experiment = Experiment.model_validate(trained.card["experiment"]).changed([change])
    model = trained.model
    model.config = model.config.model_validate(
        {**model.config.model_dump(), "poses": experiment.model.poses}
    )
    record = {key: value for key, value in trained.card.items() if key != "test"}
    record["experiment"] = experiment.model_dump(mode="json")
    if record["command"] and "model.poses=" not in record["command"]:
        record["command"] += f" --set {change}"
    recipe = recipes.from_dump(experiment.recipe, trained.card["recipe"])
    found = store(Path(folder), model, experiment, recipe, record)
    print(f"{folder}: {found}", flush=True)
