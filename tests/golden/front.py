"""Indicators of random fronts from moocore, NumPy and pandas: prints front.json.

Run: python tests/golden/front.py > tests/golden/front.json   (needs moocore, numpy, pandas)
"""

import json
import platform

import moocore
import numpy as np
import pandas as pd

rng = np.random.default_rng(20240801)


def nondominated(points):
    return np.unique(points[moocore.is_nondominated(points, maximise=True)], axis=0)


def sparsity(front):
    """Xu et al. 2020 (PGMORL): squared gaps of the sorted values, over |S| - 1."""
    return float((np.diff(np.sort(front, axis=0), axis=0) ** 2).sum() / (len(front) - 1))


def spacing(front):
    """Schott 1995: sample deviation of the city-block distance to the nearest other."""
    distances = np.abs(front[:, None, :] - front[None, :, :]).sum(-1)
    np.fill_diagonal(distances, np.inf)
    return float(distances.min(1).std(ddof=1))


def weakly_dominated_share(points):
    keep = moocore.is_nondominated(points, maximise=True, keep_weakly=True)
    return float(1 - keep.mean())


cases = []
for m in (1, 2, 3, 4, 5):
    for kind in ("uniform", "sphere", "coarse"):
        n = 30 if m > 1 else 8
        if kind == "uniform":
            points = rng.uniform(-0.2, 1, (n, m))
        elif kind == "sphere":
            points = np.abs(rng.normal(size=(n, m)))
            points /= np.linalg.norm(points, axis=1, keepdims=True)
        else:  # many ties and duplicates
            points = rng.integers(0, 4, (n, m)).astype(float)
        points = np.round(points, 6)
        reference = np.round(rng.uniform(-0.1, 0.2, m), 3)
        front = nondominated(points)
        cases.append({
            "kind": kind,
            "referencePoint": reference.tolist(),
            "points": points.tolist(),
            "hypervolume": float(moocore.hypervolume(points, ref=reference, maximise=True)),
            "nondominated": len(front),
            "dominatedShare": weakly_dominated_share(points),
            "sparsity": sparsity(front) if len(front) > 1 else 0.0,
            "spacing": spacing(front) if len(front) > 1 else 0.0,
        })

correlations = []
for n, levels in ((11, None), (11, 4), (66, 10), (5, 2)):
    x = np.round(np.linspace(0, 1, n), 3) if levels is None else rng.integers(0, levels, n) / levels
    y = x + rng.normal(size=n) if levels is None else rng.integers(0, levels, n) / levels
    frame = pd.DataFrame({"x": x, "y": y})
    correlations.append({
        "x": x.tolist(),
        "y": y.tolist(),
        "ranksOfX": frame["x"].rank(method="average").tolist(),
        "rho": float(frame.corr(method="spearman").iloc[0, 1]),
    })

print(json.dumps({
    "versions": {
        "python": platform.python_version(),
        "moocore": moocore.__version__,
        "numpy": np.__version__,
        "pandas": pd.__version__,
    },
    "fronts": cases,
    "correlations": correlations,
}))
