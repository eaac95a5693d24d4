"""A gradient of one's own, held against the complex step; Chapter G. Numbers in, a number out.

The workbook asks for it, and grades it by what it says of right and of wrong gradients.
"""

import numpy as np


def largest_error(function, x, *given):
    """How far a hand-made gradient is from the complex step's: the largest error, a float.

    function  (x, *given) -> loss, dx; of complex x the loss is complex. It may be wrong in dx
    x         array of floats, any shape; it stays as it is
    given     whatever else the function takes

    A right gradient is off by rounding alone, below 1e-9; a wrong one by more.
    """
    # L(x + ih) = L(x) + ih L'(x) − …, so its imaginary part over h is the slope: nothing cancels
    x = np.asarray(x)
    slopes = np.empty(x.shape)
    for i in np.ndindex(x.shape):
        nudged = x.astype(complex)
        nudged[i] += 1e-20j
        slopes[i] = np.imag(function(nudged, *given)[0]) / 1e-20
    return float(np.max(np.abs(function(x, *given)[1] - slopes)))
