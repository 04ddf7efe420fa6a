"""Which corners of a cuboid are deformed, and its sizes, from several images of it.

Command:   stemfast train ground-truth
Machine:   two CPU cores
"""

from stemfast.training.experiment import ModelSettings
from stemfast.training.ground_truth_experiment import GroundTruthExperiment

EXPERIMENT = GroundTruthExperiment(
    name="ground-truth",
    recipe="ground-truth",
    model=ModelSettings(corner_maps=(1, 2)),
    corner_weight=0.3,
    start_from="count",
    images=150_000,
    learning_rate=2e-3,
    set_particles=12_000,
    symmetries=False,
    test_particles=2000,
)
