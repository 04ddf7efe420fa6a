"""Deformed corners and sizes of a cuboid from several images of it.

Command:   stemfast train ground-truth
Machine:   two CPU cores; 30 minutes beside other work, after those of `count`
Accuracy:  of eight images, 99.9 % of orbits, 100 % of hands with known tilts (5,000 particles);
           edges to 1.2 %, volumes to 2.0 % (rms)
"""

from stemfast.training.experiment import ModelSettings
from stemfast.training.reconstruction.experiment import GroundTruthExperiment

EXPERIMENT = GroundTruthExperiment(
    name="ground-truth",
    recipe="ground-truth",
    model=ModelSettings(corner_maps=(1, 2)),
    corner_weight=0.3,
    start_from="count",
    images=150_000,
    learning_rate=2e-3,
    set_particles=12_000,
    test_particles=2000,
)
