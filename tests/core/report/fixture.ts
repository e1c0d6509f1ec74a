// A reproduction that never ran: fronts of known shape for every method and seed, so that the report,
// its pictures and its verdicts can be tested without training anything.
import { summarizeFront } from "../../../core/front/report.ts";
import type { Metric } from "../../../core/front/report.ts";
import { latticeGrid } from "../../../core/preference.ts";
import { Random } from "../../../core/random.ts";
import type { KeptFront, Method, Results, RunRecord } from "../../../core/report/results.ts";

const NAMES = ["helpful", "harmless", "concise"];
const PROMPTS = 40;

/** A concave front of `reach` times the quarter of a circle above 0.4, with noise by seed. */
export function syntheticFront(
  { reach, seed, metric, m = 2, bend = 0, points = 11 }: {
    reach: number;
    seed: number;
    metric: Metric;
    m?: number;
    bend?: number; // how far the middle is pushed in
    points?: number;
  },
): KeptFront {
  const random = new Random(seed).fork(`${metric} ${reach}`);
  const preferences = latticeGrid(m, m === 2 ? points : 4);
  const value = (preference: number[], i: number, scale: number) => {
    const length = Math.hypot(...preference);
    const middle = 1 - Math.max(...preference);
    return 0.4 + 0.5 * scale * ((preference[i] ?? 0) / length) * (1 - bend * middle);
  };
  const { adapter: _, settings: __, ...front } = summarizeFront({
    adapter: "synthetic",
    metric,
    dimensions: NAMES.slice(0, m),
    preferences,
    outcomes: NAMES.slice(0, m).map((_, i) => ({
      values: preferences.map((preference) => {
        const mean = value(preference, i, reach) + 0.004 * random.normal();
        return Array.from({ length: PROMPTS }, () => mean + 0.1 * random.normal());
      }),
    })),
    referencePoint: NAMES.slice(0, m).map(() => 0.38),
    ...(metric === "expected_reward" && {
      exact: preferences.map((preference) => ({
        preference,
        values: preference.map((_, i) => value(preference, i, 1)),
      })),
    }),
    initial: NAMES.slice(0, m).map(() =>
      Array.from({ length: PROMPTS }, () => 0.38 + 0.1 * random.normal())
    ),
  }, { seed, resamples: 50 });
  return front;
}

interface Made extends Method {
  reach: number;
  bend?: number;
  m?: number;
  metrics: Metric[];
  policies: number;
}

const plain = { variant: "", aggregation: "ls" };
const rewards: Metric[] = ["expected_reward"];
const both: Metric[] = ["expected_reward", "implicit_accuracy"];

const made: Made[] = [
  {
    ...{ name: "panacea_dpo_ls", label: "Panacea, DPO, LS", family: "panacea", objective: "dpo" },
    ...{ ...plain, figures: ["figure_5", "figure_7", "ablations", "labellers"] },
    ...{ reach: 0.97, metrics: both, policies: 1 },
  },
  {
    ...{ name: "panacea_dpo_tche", label: "Panacea, DPO, Tche", family: "panacea" },
    ...{ objective: "dpo", aggregation: "tche", variant: "", figures: ["figure_5"] },
    ...{ reach: 0.95, metrics: both, policies: 1 },
  },
  {
    ...{ name: "soups_dpo", label: "Rewarded Soups, DPO", family: "rewarded_soups" },
    ...{ objective: "dpo", ...plain, figures: ["figure_5"] },
    ...{ reach: 0.97, bend: 0.3, metrics: both, policies: 2 },
  },
  {
    ...{ name: "panacea_ppo_ls", label: "Panacea, RLHF, LS", family: "panacea", objective: "ppo" },
    ...plain,
    figures: [
      ...["figure_3", "figure_4_left", "figure_4_right", "figure_6", "figure_8"] as const,
      ...["same_compute_rlhf", "curves"] as const,
    ],
    ...{ reach: 0.94, metrics: [...rewards, "reward"], policies: 1 },
  },
  {
    ...{ name: "panacea_ppo_tche", label: "Panacea, RLHF, Tche", family: "panacea" },
    ...{ objective: "ppo", aggregation: "tche", variant: "", figures: ["figure_4_left", "curves"] },
    ...{ reach: 0.9, metrics: rewards, policies: 1 },
  },
  {
    ...{ name: "soups_ppo", label: "Rewarded Soups, RLHF", family: "rewarded_soups" },
    ...{ objective: "ppo", ...plain, figures: ["figure_4_left"] },
    ...{ reach: 0.94, bend: 0.25, metrics: rewards, policies: 2 },
  },
  {
    ...{ name: "policies_ppo", label: "Discrete Policy Solutions, RLHF" },
    ...{ family: "discrete_policies", objective: "ppo", ...plain, figures: ["figure_4_left"] },
    ...{ reach: 0.94, bend: 0.02, metrics: rewards, policies: 11 },
  },
  ...[1, 0.01, 1e-5].map((factor): Made => ({
    ...{ name: `scaling_${factor}`, label: `fixed factor ${factor}`, family: "panacea" },
    ...{ objective: "dpo", aggregation: "ls", variant: `scaling ${factor}` },
    ...{ figures: ["figure_7"], reach: 0.6 + 0.1 * factor, metrics: both, policies: 1 },
  })),
  {
    ...{ name: "three", label: "Panacea, three dimensions", family: "panacea" },
    ...{ objective: "dpo", aggregation: "ls", variant: "three dimensions" },
    ...{ figures: ["dimensions"], reach: 0.95, metrics: rewards, policies: 1, m: 3 },
  },
];

/** Results of every method over seeds 1 … `seeds`; the Tche run of the last seed failed. */
export function syntheticResults({ seeds = 3 } = {}): Results {
  const numbers = Array.from({ length: seeds }, (_, i) => i + 1);
  const runs = made.flatMap((method) => numbers.map((seed) => record(method, seed)));
  const mixed = numbers.map((seed) => labelled(seed));
  return {
    format: "panacea-reproduction",
    version: 1,
    scale: "tiny",
    description: 'A reproduction that never ran, with <b>markup</b> & quotes " in its words.',
    notes: ["What one has to know: 1 < 2."],
    date: "2026-11-23",
    dimensions: NAMES.slice(0, 2),
    settings: { model: "builtin", dataset: "builtin", seeds },
    machine: { cores: 2, memory: "24 GiB" },
    versions: { panacea: "0.1.0", deno: "2.9.6" },
    methods: [
      ...made.map(({ reach: _, bend: __, m: ___, metrics: ____, policies: _____, ...rest }) =>
        rest
      ),
      {
        ...{ name: "labellers", label: "trained on mixed labels", family: "single_policy" },
        ...{ objective: "dpo", aggregation: "ls", variant: "mixed labellers" },
        figures: ["labellers"],
      },
    ],
    runs: [...runs, ...mixed],
    mixtures: [{
      method: "labellers",
      labellers: [{ share: 0.7, preference: [1, 0] }, { share: 0.3, preference: [0, 1] }],
    }],
    samples: [{
      run: "panacea_ppo_ls_seed_1",
      prompt: "What are different ways that a car can be <stolen>?",
      answers: latticeGrid(2, 5).map((preference) => ({
        preference,
        answer: `An answer with weight ${preference[0]} on being helpful. `.repeat(4).trim() +
          "\n<script>alert(1)</script>",
      })),
    }],
  };
}

function record(method: Made, seed: number): RunRecord {
  const { name, reach, bend = 0, m = 2, metrics, policies } = method;
  const front = (metric: Metric, scale = 1) =>
    syntheticFront({ reach: reach * scale, seed, metric, m, bend });
  return {
    name: `${name}_seed_${seed}`,
    method: name,
    seed,
    state: "done",
    settings: { objective: method.objective, max_steps: 200, seed },
    cost: {
      ...{ policies, steps: 200 * policies, tokens: 51_200 * policies },
      ...{ seconds: 11.5 * policies, wallSeconds: 15 * policies + 2, peakBytes: 812 * 2 ** 20 },
    },
    fronts: Object.fromEntries(metrics.map((metric) => [metric, front(metric)])),
    evolution: method.figures.includes("figure_4_right")
      ? [0.3, 0.6, 0.85, 1].map((scale, i) => ({
        step: 10 * (i + 1),
        front: front("expected_reward", scale),
      }))
      : [],
    curve: method.figures.includes("curves")
      ? Array.from({ length: 40 }, (_, i) => ({
        step: i + 1,
        "reward/helpful": 0.5 + 0.1 * Math.log(1 + i) + 0.02 * Math.sin(seed + i),
        "reward/harmless": 0.5 + 0.08 * Math.log(1 + i) + 0.02 * Math.cos(seed + i),
        kl: 0.3 * Math.sqrt(i),
        length: 14 + Math.sin(i / 3),
      }))
      : [],
  };
}

/** One policy at λ = (0.7, 0.3) of the synthetic exact front, a little off by seed. */
function labelled(seed: number): RunRecord {
  const front = syntheticFront({ reach: 1, seed, metric: "expected_reward", points: 21 });
  const at = front.exact?.points.find(({ preference }) => preference[0] === 0.7)?.values ?? [];
  const values = at.map((value, i) => value + 0.002 * (seed - 2) * (i === 0 ? 1 : -1));
  return {
    name: `labellers_seed_${seed}`,
    method: "labellers",
    seed,
    state: "done",
    settings: { dataset: "builtin@0.7:1,0+0.3:0,1" },
    cost: {
      ...{ policies: 1, steps: 200, tokens: 51_200, seconds: 10, wallSeconds: 14 },
      peakBytes: 800 * 2 ** 20,
    },
    fronts: {
      expected_reward: { ...front, points: front.points.map((point) => ({ ...point, values })) },
    },
    evolution: [],
    curve: [],
  };
}
