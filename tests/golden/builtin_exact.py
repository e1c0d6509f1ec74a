"""Golden values for data/builtin: the exact optimum of aggregated DPO on a small table.

Independent of the project: scipy minimises the same convex problems in other ways, DPO-LS
(eq. 14) by BFGS on the log-ratios themselves, DPO-Tche (eq. 16) in epigraph form by SLSQP.
Prints JSON; run it as  python builtin_exact.py > builtin_exact.json
"""
import json

import numpy as np
import scipy
from scipy.optimize import minimize

BETA, SCALE = 0.2, 5.0
# rewards of the answers (rows) per dimension (columns), one block per prompt
CASES = {
    "two": [
        [[0.9, 0.1], [0.6, 0.7], [0.1, 1.0]],
        [[0.8, 0.3], [0.7, 0.6], [0.3, 0.9], [0.2, 0.2]],
    ],
    "three": [
        [[0.9, 0.1, 0.2], [0.6, 0.7, 0.4], [0.1, 1.0, 0.8]],
        [[0.8, 0.3, 0.1], [0.7, 0.6, 0.3], [0.3, 0.9, 0.5], [0.2, 0.2, 1.0]],
    ],
}
REFERENCE = [[-1.0, -2.0, -0.5], [-3.0, -3.5, -4.0, -2.5]]
# the term of rpo_alpha (Pang et al. 2024, eq. 1): its weight, and the tokens of every answer
RPO = {"alpha": 0.3, "lengths": [[3, 5, 2], [4, 6, 3, 8]]}
PREFERENCES = {
    "two": [[1.0, 0.0], [0.7, 0.3], [0.5, 0.5], [0.45, 0.55], [0.1, 0.9]],
    "three": [[0.0, 0.0, 1.0], [0.5, 0.3, 0.2], [0.34, 0.33, 0.33]],
}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def pairs(prompts, rpo=False):
    offset, rows = 0, []
    for answers in prompts:
        for a in range(len(answers)):
            for b in range(a + 1, len(answers)):
                p = sigmoid(SCALE * (np.array(answers[a]) - np.array(answers[b])))
                rows.append((offset + a, offset + b, p))
        offset += len(answers)
    first, second, p = zip(*rows)
    return np.array(first), np.array(second), np.array(p), rpo


def log_policy(x, beta=BETA):
    """log pi of every answer, and d log pi / dx (n, n)."""
    offset, rows, jacobian = 0, [], np.zeros((len(x), len(x)))
    for reference in REFERENCE:
        block = slice(offset, offset + len(reference))
        logits = np.array(reference) + x[block] / beta
        row = logits - np.logaddexp.reduce(logits)
        jacobian[block, block] = (np.eye(len(row)) - np.exp(row)[None, :]) / beta
        rows.append(row)
        offset += len(reference)
    return np.concatenate(rows), jacobian


def likelihood(x, table):
    """The rpo_alpha term (M,) and its gradients (M, n)."""
    first, second, p, _ = table
    log_pi, jacobian = log_policy(x)
    per_token = log_pi / np.concatenate(RPO["lengths"])
    slope = jacobian / np.concatenate(RPO["lengths"])[:, None]
    values = -(p * per_token[first][:, None] + (1 - p) * per_token[second][:, None]).mean(0)
    gradients = -(p.T @ slope[first] + (1 - p).T @ slope[second]) / len(first)
    return RPO["alpha"] * values, RPO["alpha"] * gradients


def losses(x, table):
    """(M,) losses for the implicit rewards x, and their (M, n) gradients."""
    value, gradient = contrast(x, table)
    if not table[3]:
        return value, gradient
    more, slopes = likelihood(x, table)
    return value + more, gradient + slopes


def contrast(x, table):
    first, second, p, _ = table
    d = x[first] - x[second]
    terms = p * np.logaddexp(0, -d)[:, None] + (1 - p) * np.logaddexp(0, d)[:, None]
    slopes = (sigmoid(d)[:, None] - p) / len(d)
    gradient = np.zeros((p.shape[1], len(x)))
    for i in range(p.shape[1]):
        np.add.at(gradient[i], first, slopes[:, i])
        np.add.at(gradient[i], second, -slopes[:, i])
    return terms.mean(0), gradient


def solve_ls(table, n, preference):
    def f(x):
        value, gradient = losses(x, table)
        return preference @ value, preference @ gradient

    return minimize(f, np.zeros(n), jac=True, method="BFGS", options={"gtol": 1e-11}).x


def solve_tche(table, n, preference):
    start = solve_ls(table, n, preference)
    top = (preference * losses(start, table)[0]).max()
    constraint = {
        "type": "ineq",
        "fun": lambda z: z[-1] - preference * losses(z[:-1], table)[0],
        "jac": lambda z: np.hstack(
            [-preference[:, None] * losses(z[:-1], table)[1], np.ones((len(preference), 1))]
        ),
    }
    unit = np.zeros(n + 1)
    unit[-1] = 1
    result = minimize(
        lambda z: z[-1],
        np.append(start, top),
        jac=lambda z: unit,
        method="SLSQP",
        constraints=[constraint],
        options={"ftol": 1e-16, "maxiter": 2000},
    )
    return result.x[:-1]


def point(prompts, scores, beta=BETA):
    """Expected rewards and probabilities of pi proportional to pi_ref exp(score / beta)."""
    offset, values, policies = 0, 0, []
    for answers, reference in zip(prompts, REFERENCE):
        logits = np.array(reference) + scores[offset : offset + len(answers)] / beta
        policy = np.exp(logits - logits.max())
        policy /= policy.sum()
        values = values + policy @ np.array(answers) / len(prompts)
        policies.append(policy.tolist())
        offset += len(answers)
    return {"values": values.tolist(), "policies": policies}


def main():
    rows = []
    for name, prompts in CASES.items():
        table, n = pairs(prompts), sum(map(len, prompts))
        rewards = np.vstack(prompts)
        for preference in map(np.array, PREFERENCES[name]):
            for aggregation, solve in {"ls": solve_ls, "tche": solve_tche}.items():
                x = solve(table, n, preference)
                row = {"case": name, "objective": "dpo", "aggregation": aggregation}
                row |= {"preference": preference.tolist(), "losses": losses(x, table)[0].tolist()}
                rows.append(row | point(prompts, x))
                held = pairs(prompts, rpo=True)
                x = solve(held, n, preference)
                rows.append(row | {"rpo": True, "losses": None} | point(prompts, x))
            for aggregation, scores in {
                "ls": rewards @ preference,
                "tche": -(preference * (1 - rewards)).max(1),
            }.items():
                row = {"case": name, "objective": "rlhf", "aggregation": aggregation}
                rows.append(row | {"preference": preference.tolist()} | point(prompts, scores))
    print(
        json.dumps(
            {
                "versions": {"numpy": np.__version__, "scipy": scipy.__version__},
                "beta": BETA,
                "labelScale": SCALE,
                "cases": CASES,
                "reference": REFERENCE,
                "rpo": RPO,
                "rows": rows,
            },
            indent=1,
        )
    )


main()
