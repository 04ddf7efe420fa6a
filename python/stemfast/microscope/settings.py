"""Checked settings: frozen, strict about numbers, with errors that say what was wrong."""

from __future__ import annotations

import difflib
import math
import operator
from collections.abc import Callable
from numbers import Real
from typing import TYPE_CHECKING, Annotated, Any, Self

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from stemfast.arguments import LONGEST_NM, SHORTEST_NM

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


#: Bounds of all numbers in magnitude: beyond any microscope, and products of several stay finite.
SMALLEST, LARGEST = 1e-12, 1e12


def _number(value: object) -> float:
    # Strings and booleans would pass pydantic's own conversion; NumPy's float32 would not.
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        raise ValueError("expected a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if LARGEST < abs(number) < math.inf:
        raise ValueError(f"expected a number of at most {LARGEST:g} in magnitude")
    return number


def _within(least: float, most: float) -> Callable[[object], float]:
    """Check of a positive number; what is not positive is left to the field's own check."""

    def check(value: object) -> float:
        number = _number(value)
        if number > 0 and not least <= number <= most and number < math.inf:
            raise ValueError(f"expected a number from {least:g} to {most:g}")
        return number

    return check


def _positive_or_none(value: object) -> float | None:
    return None if value is None else _within(SMALLEST, LARGEST)(value)


def _number_or_none(value: object) -> float | None:
    return None if value is None else _number(value)


def _whole(value: object) -> int:
    if isinstance(value, bool | np.bool_):
        raise ValueError("expected a whole number")
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise ValueError("expected a whole number") from None


Finite = Annotated[float, BeforeValidator(_number)]
Positive = Annotated[float, BeforeValidator(_within(SMALLEST, LARGEST)), Field(gt=0)]
LengthNm = Annotated[float, BeforeValidator(_within(SHORTEST_NM, LONGEST_NM)), Field(gt=0)]
EnergyKev = Annotated[float, BeforeValidator(_within(0.001, 10_000)), Field(gt=0)]
NotNegative = Annotated[float, BeforeValidator(_number), Field(ge=0)]
Angle = Annotated[float, BeforeValidator(_number), Field(gt=0, lt=1000)]
Cone = Annotated[float, BeforeValidator(_number), Field(ge=0, lt=1000)]
FiniteOrNone = Annotated[float | None, BeforeValidator(_number_or_none)]
PositiveOrNone = Annotated[float | None, Field(gt=0), BeforeValidator(_positive_or_none)]
Whole = Annotated[int, BeforeValidator(_whole)]
Pixels = Annotated[Whole, Field(ge=1)]


_EXPECTED: dict[str, str] = {
    "greater_than": "a number greater than {gt:g}",
    "greater_than_equal": "a number of at least {ge:g}",
    "less_than_equal": "a number of at most {le:g}",
    "less_than": "a number less than {lt:g}",
    "finite_number": "a finite number",
    "literal_error": "{expected} or None",
    "tuple_type": "a tuple",
    "model_type": "a {class_name}",
    "missing": "a value",
    "too_long": "at most {max_length} values",
    "too_short": "at least {min_length} values",
}


class Settings(BaseModel):
    """Base of the microscope's parts: frozen, with errors that say what was wrong."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ValueError(_explain(type(self), error)) from None

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some settings changed, checked like a new one.

        Parameters
        ----------
        **changes
            Settings by name.

        Raises
        ------
        ValueError
            If a setting does not exist or its value is not allowed.

        Examples
        --------
        >>> from stemfast import Scan
        >>> Scan().replace(pixel_size_nm=0.2).pixel_size_nm
        0.2
        """
        return type(self)(**{**dict(self), **changes})


def _explain(model: type[Settings], error: ValidationError) -> str:
    return "; ".join(
        _explain_one(model, problem["type"], problem["loc"], problem) for problem in error.errors()
    )


def _explain_one(
    model: type[Settings], kind: str, location: tuple[int | str, ...], problem: ErrorDetails
) -> str:
    if kind == "extra_forbidden":
        return _unknown(model, ".".join(map(str, location)))
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    where = model.__name__ + "".join(steps)
    context = problem.get("ctx", {})
    if kind == "value_error":
        message = str(context["error"])
        if not message.startswith("expected") or not location:
            return f"{where}: {message}"
        expected = message.removeprefix("expected ")
    else:
        expected = _EXPECTED.get(kind, problem["msg"]).format(**context)
    return f"{where}: expected {expected}, got {problem['input']!r}"


def _unknown(model: type[Settings], name: str) -> str:
    fields = list(model.model_fields)
    near = difflib.get_close_matches(name, fields, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{model.__name__} has no setting {name!r}; {hint}Its settings: {', '.join(fields)}"
