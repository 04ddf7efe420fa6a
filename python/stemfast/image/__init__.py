"""Images that are NumPy arrays and know their pixel size and unit.

`stemfast.Image` is what the simulation returns and what other rooms take and hold; `files` writes
it, `exchange` hands it to HyperSpy and xarray, `picture` shows it.
"""

from stemfast.image.image import Image

__all__ = ["Image"]
