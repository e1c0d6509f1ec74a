"""Student's quantiles and t intervals from SciPy: prints student.json.

Run: python tests/golden/student.py > tests/golden/student.json   (needs scipy, numpy)
"""

import json

import numpy as np
import scipy
from scipy import stats

rng = np.random.default_rng(5)
quantiles = [
    {"level": level, "degrees": degrees, "t": float(stats.t.ppf((1 + level) / 2, degrees))}
    for level in (0.5, 0.9, 0.95, 0.99)
    for degrees in (1, 2, 3, 4, 7, 10, 29, 30)
]
intervals = []
for count in (2, 3, 5, 8):
    values = rng.normal(0.9, 0.05, count)
    low, high = stats.t.interval(0.95, count - 1, loc=values.mean(), scale=stats.sem(values))
    intervals.append(
        {"values": values.tolist(), "mean": values.mean(), "low": float(low), "high": float(high)}
    )
print(json.dumps({
    "versions": {"scipy": scipy.__version__, "numpy": np.__version__},
    "quantiles": quantiles,
    "intervals": intervals,
}, indent=1))
