"""Teach trained networks to give sets of classes with a stated coverage.

    python examples/add_prediction_sets.py FOLDER ...

Networks of `stemfast train` know it from the start; those of earlier versions do not. Their
validation images are simulated again, which takes some ten seconds; weights, calibration and card
stay as they are.
"""

import sys

from stemfast import pretrained
from stemfast.training import learnt_range
from stemfast.training.portraits import run as portraits

if len(sys.argv) < 2:
    sys.exit(__doc__)
for folder in sys.argv[1:]:
    made_of = portraits if pretrained.load(folder).reads_portraits else learnt_range
    thresholds = made_of.add_sets_to(folder)
    least = {share: round(thresholds.least(share), 4) for share in (0.8, 0.9, 0.95)}
    print(f"{folder}: smallest probability by coverage {least}", flush=True)
