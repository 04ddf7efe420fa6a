"""Pairs of deformed corners of a cuboid of three different edges, up to mirror images.

Command:   stemfast train pairs-cuboid
Machine:   two CPU cores; 13 minutes, after the 24 of the reader of `ground-truth`
Accuracy:  95.1 % of 10,000 test images
"""

from stemfast.training.experiment import Experiment, ModelSettings

EXPERIMENT = Experiment(
    name="pairs-cuboid",
    recipe="pairs-cuboid",
    model=ModelSettings(corner_maps=(1, 2), reader=True),
    corner_weight=1.0,
    symmetries=False,
    start_from="ground-truth",
    learning_rate=1e-3,
    images=100_000,
)
