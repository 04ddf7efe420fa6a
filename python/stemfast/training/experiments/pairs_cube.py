"""Pairs of deformed corners of a cube: neighbours, across a face, or opposite.

Command:   stemfast train pairs-cube
Machine:   two CPU cores; 11 minutes beside other work, after those of a `count` of random poses
Accuracy:  97.6 % of 10,000 test images
"""

from stemfast.training.experiment import Experiment, ModelSettings

EXPERIMENT = Experiment(
    name="pairs-cube",
    recipe="pairs-cube",
    model=ModelSettings(corner_maps=(1, 2)),
    corner_weight=1.0,
    start_from="count",
    learning_rate=1e-3,
    images=64_000,
)
