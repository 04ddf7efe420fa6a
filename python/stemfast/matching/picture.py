"""Picture of a match: crops of a micrograph beside simulated ones, spectra and histograms."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stemfast.finding.found import Found
from stemfast.matching.conditions import Conditions
from stemfast.matching.twin import simulated_crops
from stemfast.plots.figure import new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_match"]

Crops = NDArray[np.float32]

_ROWS, _COLUMNS = 3, 4
_WIDE = 2.2  # sides of a crop in diameters
_LEAST_SIDE, _MOST_SIDE = 24, 256
_HERS, _SIMULATED = "#0072B2", "#D55E00"
_RINGS, _BINS = 24, 48


def draw_match(
    conditions: Conditions, found: Found, path: str | Path, *, assumed: bool = False
) -> Path:
    """Draw crops of the micrograph and simulated ones, their power spectra and grey levels.

    Parameters
    ----------
    conditions : Conditions
        What can be simulated: with a gain, a signal and a background.
    found : Found
        Particles of the micrograph.
    path : str or Path
        Its suffix chooses the format. Its folder must exist.
    assumed : bool
        Whether electrons of the conditions were assumed.

    Returns
    -------
    Path
        The picture written.
    """
    chosen, side = _chosen(found)
    hers = np.stack([_crop(found.image, one.centroid, side) for one in chosen])
    scale = conditions.pixel_size.value or 1.0
    diameters = [scale * one.equivalent_diameter for one in chosen]
    twins = _on_her_scale(simulated_crops(conditions, diameters, side), hers)
    figure = new_figure(9.0, 6.4, constrained=True)
    whole = figure.add_gridspec(2, 2, height_ratios=(1.25, 1.0))
    low, high = np.quantile(hers, (0.002, 0.998))
    simulated = "simulated, electrons assumed" if assumed else "simulated"
    for place, title, crops in ((0, conditions.file, hers), (1, simulated, twins)):
        axes = figure.add_subplot(whole[0, place])
        axes.set_title(title)
        axes.set_axis_off()
        axes.imshow(_sheet(crops), cmap="gray", vmin=low, vmax=high, interpolation="nearest")
    _spectra(figure.add_subplot(whole[1, 0]), hers, twins, conditions)
    _levels(figure.add_subplot(whole[1, 1]), hers, twins)
    return save(figure, path)


def _chosen(found: Found) -> tuple[list[Any], int]:
    """Particles to show, spread over the sizes, and the side of their crops [px]."""
    whole = [one for one in found if not one.on_border] or list(found)
    ordered = sorted(whole, key=lambda one: one.equivalent_diameter)
    picks = np.linspace(0, len(ordered) - 1, min(_ROWS * _COLUMNS, len(ordered)))
    chosen = [ordered[round(pick)] for pick in picks.tolist()]
    widest = max(one.equivalent_diameter for one in chosen)
    side = int(np.clip(2 * round(0.5 * _WIDE * widest), _LEAST_SIDE, _MOST_SIDE))
    return chosen, min(side, *found.image.shape)


def _crop(image: NDArray[np.float32], centre: tuple[float, float], side: int) -> Crops:
    first = [
        int(np.clip(round(middle) - side // 2, 0, length - side))
        for middle, length in zip(centre, image.shape, strict=True)
    ]
    return image[first[0] : first[0] + side, first[1] : first[1] + side]


def _on_her_scale(twins: Crops, hers: Crops) -> Crops:
    """Simulated crops with the black level that the micrograph's background asks for."""

    def border(crops: Crops) -> float:
        rim = np.concatenate([crops[:, [0, -1]].ravel(), crops[:, :, [0, -1]].ravel()])
        return float(np.median(rim))

    return twins + np.float32(border(hers) - border(twins))


def _sheet(crops: Crops) -> NDArray[np.float32]:
    """Crops side by side, with NaN between and where there is none."""
    count, side, _ = crops.shape
    columns = min(_COLUMNS, count)
    rows = -(-count // columns)
    gap = max(1, side // 24)
    sheet = np.full((rows * (side + gap) - gap, columns * (side + gap) - gap), np.nan, np.float32)
    for number, crop in enumerate(crops):
        top, left = (side + gap) * np.array(divmod(number, columns))
        sheet[top : top + side, left : left + side] = crop
    return sheet


def _spectra(axes: Axes, hers: Crops, twins: Crops, conditions: Conditions) -> None:
    """Radial power spectra of both."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    scale = conditions.pixel_size.value
    for crops, colour, label in ((hers, _HERS, conditions.file), (twins, _SIMULATED, "simulated")):
        frequency, power = _radial(crops)
        axes.plot(frequency / (scale or 1.0), power, color=colour, label=label)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel=f"spatial frequency [1/{'px' if scale is None else 'nm'}]",
        ylabel="power [grey²]",
    )
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.legend(frameon=False, fontsize="small")


def _radial(crops: Crops) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    side = crops.shape[1]
    edge = np.hanning(side + 2)[1:-1]
    window = edge[:, None] * edge[None, :]
    left = crops - crops.mean(axis=(1, 2), keepdims=True)
    power = (np.abs(np.fft.fft2(left * window)) ** 2).mean(axis=0) / np.sum(window**2)
    axis = np.fft.fftfreq(side)
    q = np.hypot(axis[:, None], axis[None, :])
    bounds = np.geomspace(1.0 / side, 0.5, _RINGS)
    ring = np.digitize(q, bounds)
    frequency, mean = [], []
    for k in range(1, len(bounds)):
        use = ring == k
        if use.any():
            frequency.append(float(q[use].mean()))
            mean.append(float(power[use].mean()))
    return np.array(frequency), np.array(mean)


def _levels(axes: Axes, hers: Crops, twins: Crops) -> None:
    """Histograms of grey levels."""
    both = np.concatenate([hers, twins])
    low, high = (float(one) for one in np.quantile(both, (0.0005, 0.9995)))
    bins = np.linspace(low, max(high, low + 1e-6), _BINS + 1)
    for crops, colour in ((hers, _HERS), (twins, _SIMULATED)):
        axes.hist(crops.ravel(), bins.tolist(), density=True, histtype="step", color=colour)
    axes.set(yscale="log", xlabel="grey level", ylabel="density")
