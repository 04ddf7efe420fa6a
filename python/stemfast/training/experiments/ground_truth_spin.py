"""Handedness of a cuboid from a known spin during the scan, on top of `ground-truth`.

Command:   stemfast train ground-truth-spin
Machine:   two CPU cores
"""

from stemfast.training.reconstruction.experiment import GroundTruthExperiment

EXPERIMENT = GroundTruthExperiment(
    name="ground-truth-spin",
    recipe="ground-truth",
    start_from="ground-truth",
    spin_images=40_000,
    test_particles=2000,
)
