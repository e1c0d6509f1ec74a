"""Best places on interpolated fronts by scipy's linear programming: prints goal.json.

Run: python tests/golden/goal.py > tests/golden/goal.json   (needs numpy, scipy)

The cells are laid out here in another way than in core/front/cells.ts: for three dimensions as
upward and downward triangles, for four as the tetrahedra of the unit cubes of partial sums.
"""

import itertools
import json
import platform

import numpy as np
import scipy
from scipy.optimize import linprog

rng = np.random.default_rng(20260107)


def grid(m, steps):
    points = [p for p in itertools.product(range(steps + 1), repeat=m) if sum(p) == steps]
    return sorted(points)


def cells(m, steps):
    if m == 2:
        return [((i, steps - i), (i + 1, steps - i - 1)) for i in range(steps)]
    if m == 3:
        up = [
            ((i + 1, j, k), (i, j + 1, k), (i, j, k + 1))
            for i, j, k in itertools.product(range(steps), repeat=3)
            if i + j + k == steps - 1
        ]
        down = [
            ((i, j + 1, k + 1), (i + 1, j, k + 1), (i + 1, j + 1, k))
            for i, j, k in itertools.product(range(steps), repeat=3)
            if i + j + k == steps - 2
        ]
        return up + down
    found = []
    for corner in itertools.product(range(steps), repeat=m - 1):
        for order in itertools.permutations(range(m - 1)):
            sums = [np.array(corner)]
            for axis in order:
                step = np.zeros(m - 1, int)
                step[axis] = 1
                sums.append(sums[-1] + step)
            if all((np.diff(s) >= 0).all() and s[0] >= 0 and s[-1] <= steps for s in sums):
                found.append(
                    tuple(tuple(int(x) for x in np.diff([0, *s, steps])) for s in sums)
                )
    return found


def solve(m, steps, values, at_least, maximize):
    """The largest value of `maximize`, the largest shortfall, and where."""
    def programme(slack):
        best = None
        for cell in cells(m, steps):
            corner = np.array([values[c] for c in cell])  # (m corners, m values)
            wish = [i for i in range(m) if at_least[i] is not None]
            if slack is None:  # least largest shortfall
                c = np.r_[np.zeros(m), 1.0]
                A = [np.r_[-corner[:, i], -1.0] for i in wish]
                b = [-at_least[i] for i in wish]
                equal = [np.r_[np.ones(m), 0.0]]
            else:
                c = -corner[:, maximize]
                A = [-corner[:, i] for i in wish]
                b = [-at_least[i] + slack for i in wish]
                equal = [np.ones(m)]
            result = linprog(c, A or None, b or None, equal, [1.0], method="highs")
            if result.status != 0 or (best is not None and result.fun >= best[0] - 1e-12):
                continue
            best = (result.fun, result.x[:m] @ np.array(cell) / steps, result.x[:m] @ corner)
        return best

    if all(wish is None for wish in at_least):
        shortfall = 0.0
    else:
        shortfall = max(0.0, programme(None)[0])
    _, preference, reached = programme(0.0 if shortfall < 1e-9 else shortfall + 1e-9)
    return {"shortfall": shortfall, "most": float(reached[maximize])}


cases = []
for m, steps, noise in [(2, 10, 0.0), (2, 7, 0.3), (3, 6, 0.0), (3, 5, 0.4), (4, 4, 0.3)]:
    names = grid(m, steps)
    weights = np.array(names) / steps
    values = np.sqrt(weights + 0.05) + noise * rng.uniform(size=(len(names), m))
    by_name = dict(zip(names, values))
    for share in [0.2, 0.5, 0.7, 0.9, 1.05]:
        low, high = values.min(0), values.max(0)
        wishes = rng.uniform(size=m) < 0.7
        wishes[0] |= m == 2
        wishes[m - 1] = False  # one dimension without a wish: it is maximised
        at_least = [float(low[i] + share * (high[i] - low[i])) if wishes[i] else None for i in range(m)]
        cases.append({
            "m": m,
            "steps": steps,
            "preferences": weights.tolist(),
            "values": values.tolist(),
            "atLeast": at_least,
            "maximize": m - 1,
            **solve(m, steps, by_name, at_least, m - 1),
        })

print(json.dumps({
    "versions": {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__},
    "cases": cases,
}))
