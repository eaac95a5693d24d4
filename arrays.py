"""What a formula is given: arrays of numbers whose shapes belong together.

numpy computes with almost anything, and says nothing: (N,) beside (N,1) becomes (N,N), ~1 is −2,
100 + 100 is −56 in int8, and action −1 is the last one. So public functions ask here first. What
is right already is handed on as it is, what can be made right is, and the rest is a ValueError.

Shapes are written as in docstrings, an axis a letter: "BK B" is (B,K) and (B,). N and K are at
least 1: the rows of a loss, (B,) in its docstring, are asked for as N. "T..." is (T, ...), one
and the same shape wherever it stands.
"""

from functools import lru_cache
from numbers import Integral

import numpy as np

FLOATS = "fdgFDG"  # what is computed in: float32, float64, longdouble, and complex numbers of each


def floats(shapes, *arrays):
    """Arrays of these shapes, as floats; a single one comes back bare.

    float32, float64, longdouble and complex arrays come back as they are. Others, lists too,
    become float32 if it holds every number of their dtype (float16, bool, int8, int16),
    otherwise float64. Raises ValueError for what is no number, or of other shapes.
    """
    given = []
    for array in arrays:
        if type(array) is not np.ndarray or array.dtype.char not in FLOATS:
            return floats(shapes, *map(_as_floats, arrays))
        given.append(array.shape)
    _fit(shapes, *given)
    return arrays if len(arrays) > 1 else arrays[0]


def _unmasked(array):
    if isinstance(array, np.ma.MaskedArray):
        raise ValueError("a masked array's mask would be lost; fill it or drop rows first")
    return np.asarray(array)


def _as_floats(array):
    array = _unmasked(array)
    if array.dtype.kind not in "biufc":
        raise ValueError(f"an array of numbers is needed, not of {array.dtype}")
    return array.astype(np.result_type(array.dtype, np.float32), copy=False)


def flags(shape, *arrays):
    """Arrays of this shape (a tuple) as bools: of True and False, or of 0 and 1.

    Raises ValueError for anything else.
    """
    bools = [_unmasked(array) for array in arrays]
    for i, array in enumerate(bools):
        if array.shape != shape:
            raise ValueError(
                f"flags must have one shape with the numbers: {shape}, not {array.shape}"
            )
        if array.dtype != bool:
            bools[i] = array == 1
            if not (bools[i] | (array == 0)).all():
                raise ValueError("a flag must be True or False, 1 or 0")
    return bools


def indices(array, rows, below):
    """An array (rows,) of whole numbers from 0 to below − 1; ValueError for anything else."""
    array = _unmasked(array)
    if array.shape != (rows,) or (rows and array.dtype.kind not in "iu"):
        raise ValueError(f"({rows},) whole numbers are needed, not {array.shape} {array.dtype}")
    if np.count_nonzero(array.astype(np.uintp) >= below):  # unsigned, the negative ones are huge
        worst = array.min() if array.min() < 0 else array.max()
        raise ValueError(f"there is no {worst} from 0 to {below - 1}")
    return array.astype(np.intp, copy=False)


def check_whole(name, value, least):
    """Raise ValueError, naming it, unless a value is a whole number of at least so much."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number, at least {least}, not {value!r}")


def level(rows):
    """rows (..., B) float; nearly equal ones less their first, so that their mean rounds nothing.

    The subtraction is exact. Equal rows become zeros if their mean would not be their number.
    """
    first, top, bottom = rows[..., :1], rows.max(-1, keepdims=True), rows.min(-1, keepdims=True)
    nearly = top - bottom < 1e-3 * np.maximum(np.abs(top), np.abs(bottom))
    if not nearly.any():
        return rows
    exact = (top == bottom) & (rows.mean(axis=-1, keepdims=True) == first)
    return np.where(nearly & ~exact, rows - first, rows)


@lru_cache(maxsize=1024)  # a training has few shapes, and asks for them again and again
def _fit(shapes, *given):
    """Raise ValueError unless the shapes given, tuples, are those of `shapes`."""
    sizes: dict[str, object] = {}  # of an axis; of a whole "B..." its shape
    for axes, shape in zip(shapes.split(), given, strict=True):
        whole = axes.endswith("...")
        sized = [(axes, shape)] if whole else list(zip(axes, shape, strict=False))
        fits = shape if whole else len(axes) == len(shape) and not {("N", 0), ("K", 0)} & {*sized}
        if not fits or any(sizes.setdefault(axis, size) != size for axis, size in sized):
            tuples = (str(tuple(s.replace("...", "…"))).replace("'", "") for s in shapes.split())
            least = [f", {axis} at least 1" for axis in "NK" if axis in shapes]
            wanted = " ".join(tuples) + "".join(least)
            raise ValueError(f"shapes must be {wanted}, not {' '.join(map(str, given))}")
