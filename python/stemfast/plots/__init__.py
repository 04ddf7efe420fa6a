"""Pictures: galleries with scale bars, confusion matrices, rotation GIFs.

Matplotlib is used through its objects and the Agg canvas, so that nothing here depends on, or
changes, a caller's backend or style. It is imported when the first picture is made.
"""

from stemfast.plots.confusion import confusion_matrix
from stemfast.plots.gif import animation, rotation_gif
from stemfast.plots.images import gallery

__all__ = ["animation", "confusion_matrix", "gallery", "rotation_gif"]
