"""At most so many clips of one value. Pure."""

import numpy as np


def beyond_cap(values: np.ndarray, order: np.ndarray, counted: np.ndarray, cap: int) -> np.ndarray:
    """Returns bool ``(N,)``: the rows that are too many.

    ``values`` int64 ``(N,)`` are codes, -1 for none; ``order`` ``(N,)`` are the rows, best first;
    ``counted`` has the number of clips of each code that are in already.
    """
    seen, found = counted.copy(), np.zeros(len(values), bool)
    for row in order.tolist():
        code = values[row]
        if code < 0:
            continue
        if seen[code] >= cap:
            found[row] = True
        else:
            seen[code] += 1
    return found
