"""Histograms and quantiles of random rewards from NumPy: prints distributions.json.

Run: python tests/golden/distributions.py > tests/golden/distributions.json   (needs numpy)
"""

import json
import platform

import numpy as np

rng = np.random.default_rng(20261123)
cases = []
for kind in ("normal", "uniform", "discrete", "far"):
    values = {
        "normal": lambda n: rng.normal(0.3, 1.7, n),
        "uniform": lambda n: rng.uniform(-0.05, 0.05, n),
        "discrete": lambda n: rng.choice([0.0, 0.25, 0.95], n),
        "far": lambda n: 1e4 + rng.normal(0, 3, n),
    }[kind]
    rows = [np.round(values(n), 6) for n in (50, 50, 50)]
    low = min(row.min() for row in rows)
    high = max(row.max() for row in rows)
    # A step of 1, 2 or 5 times a power of ten, nearest in ratio to 24 bins; edges at its multiples.
    rough = (high - low) / 24
    steps = [factor * 10.0 ** power for power in range(-8, 8) for factor in (1, 2, 5)]
    step = min(steps, key=lambda s: abs(np.log(s / rough)))
    edges = np.round(np.arange(np.floor(low / step + 1e-9), np.floor(high / step + 1e-9) + 2) * step, 9)
    cases.append({
        "kind": kind,
        "values": [row.tolist() for row in rows],
        "edges": edges.tolist(),
        "counts": [np.histogram(row, edges)[0].tolist() for row in rows],
        "quantiles": [np.quantile(row, [0.05, 0.25, 0.5, 0.75, 0.95]).tolist() for row in rows],
    })

print(json.dumps({
    "versions": {"python": platform.python_version(), "numpy": np.__version__},
    "cases": cases,
}))
