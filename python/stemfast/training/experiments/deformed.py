"""Cuboids with and without deformed corners.

Command:   stemfast train deformed
Machine:   two CPU cores; 13 quiet minutes, after those of a `count` of random poses
Accuracy:  98.7 % of 10,000 test images
"""

from stemfast.training.experiment import Experiment, ModelSettings

EXPERIMENT = Experiment(
    name="deformed",
    recipe="deformed",
    model=ModelSettings(corner_maps=(1, 2)),
    corner_weight=1.0,
    start_from="count",
    learning_rate=1e-3,
    images=120_000,
)
