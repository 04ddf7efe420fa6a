"""Teach trained networks to give sets of classes with a stated coverage.

    python examples/add_prediction_sets.py FOLDER ...

Networks of `stemfast train` know it from the start; those of earlier versions do not. Their
validation images are simulated again, which takes some ten seconds; weights, calibration and card
stay as they are.
"""

import sys

from stemfast.training.learnt_range import add_sets_to

if len(sys.argv) < 2:
    sys.exit(__doc__)
for folder in sys.argv[1:]:
    thresholds = add_sets_to(folder)
    least = {share: round(thresholds.least(share), 4) for share in (0.8, 0.9, 0.95)}
    print(f"{folder}: smallest probability by coverage {least}", flush=True)
