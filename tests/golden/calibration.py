"""Quality of a reward model on made-up pairs, from scikit-learn and NumPy.

    python calibration.py        writes calibration.json beside this script

Scores of one dimension follow a formula, labels are drawn from Bradley–Terry with the margins halved,
so that the model is too sure of itself. Confidence is that of the response the model prefers.
"""
import json
import os
from importlib.metadata import version

import numpy as np
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, log_loss

PAIRS, BINS = 400, 20


def main():
    random = np.random.default_rng(7)
    scores = np.round(random.normal(0, 1.5, (PAIRS, 2)), 6)
    margin = scores[:, 0] - scores[:, 1]
    label = (random.uniform(size=PAIRS) > 1 / (1 + np.exp(-margin / 2))).astype(int)
    first = 1 / (1 + np.exp(-margin))
    sure = np.maximum(first, 1 - first)
    right = (first > 0.5) == (label == 0)
    accuracy, confidence = calibration_curve(right, sure, n_bins=BINS, strategy="uniform")
    counts = np.histogram(sure, np.linspace(0, 1, BINS + 1))[0]
    counts = counts[counts > 0]
    chosen = np.where(label == 0, scores[:, 0], scores[:, 1])
    rejected = np.where(label == 0, scores[:, 1], scores[:, 0])
    out = {
        "versions": {name: version(name) for name in ("scikit-learn", "numpy")},
        "scores": scores.flatten().tolist(),
        "labels": label.tolist(),
        "accuracy": accuracy_score(label, (first < 0.5).astype(int)),
        "logLoss": log_loss(label, 1 - first),
        "bins": [dict(pairs=int(n), confidence=c, accuracy=a)
                 for n, c, a in zip(counts, confidence, accuracy)],
        "calibrationError": float(np.sum(counts / PAIRS * np.abs(accuracy - confidence))),
        "chosen": dict(mean=chosen.mean(), sd=chosen.std()),
        "rejected": dict(mean=rejected.mean(), sd=rejected.std()),
    }
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "calibration.json"), "w") as f:
        json.dump(out, f)


if __name__ == "__main__":
    main()
