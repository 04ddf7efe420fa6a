"""Fields of many particles: every kind of support and film, with and without outlines."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from stemfast import plots
from stemfast.fields import KINDS, Field, FieldRecipe

__all__ = ["field_scenes", "field_sheet"]

_SIDE, _ACROSS, _TRIES = 256, 5, 40


def field_scenes(seed: int) -> list[Field]:
    """One field of every kind in which some particles can be seen, dark and bright field in turn.

    Parameters
    ----------
    seed : int

    Returns
    -------
    list of Field

    Examples
    --------
    >>> [field.kind for field in field_scenes(0)][:2]
    ['monolayer', 'carbon-black']
    """
    return [_telling(seed, number) for number in range(len(KINDS))]


def _telling(seed: int, number: int) -> Field:
    recipe = FieldRecipe(
        kinds=(KINDS[number],), rows=_SIDE, columns=_SIDE, diameter_px=(10.0, 30.0)
    )
    fields = (recipe.draw(seed, index) for index in range(_TRIES))
    wanted = bool(number // 2 % 2)
    best = next(fields)
    for field in fields:
        seen = int(field.truth.visible.sum())
        if field.bright_field == wanted and 8 <= seen <= 150:
            return field
        if seen > int(best.truth.visible.sum()):
            best = field
    return best


def field_sheet(path: str | PathLike[str], *, seed: int = 0) -> Path:
    """Draw a field of every kind, and under each the outlines of its visible particles.

    Parameters
    ----------
    path : path-like
        File to write (.png, .pdf, .svg).
    seed : int, optional

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    ValueError
        If the ending is unknown, or the seed is not one.

    Examples
    --------
    >>> import tempfile
    >>> field_sheet(Path(tempfile.mkdtemp()) / "fields.png").name
    'fields.png'
    """
    fields = field_scenes(seed)
    images, titles, outlines, sizes = [], [], [], []
    for start in range(0, len(fields), _ACROSS):
        for outlined in (False, True):
            for field in fields[start : start + _ACROSS]:
                visible = field.truth.visible.nonzero()[0].tolist()
                images.append(field.image)
                sizes.append(field.pixel_size_nm)
                outlines.append([field.outline_px(k) for k in visible] if outlined else [])
                how = "bright field" if field.bright_field else "dark field"
                shown = f"{len(visible)} of {len(field.truth)} visible"
                titles.append(shown if outlined else f"{field.kind}, {how}")
    return plots.gallery(
        images, titles, path, pixel_size_nm=sizes, outlines=outlines, columns=_ACROSS
    )
