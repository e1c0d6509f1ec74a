// Exact multi-objective DPO on finite answer sets: the policy is a table of implicit rewards
// v = β·log(π/π_ref), one per answer, and the loss of dimension i over a population of pairs is
//   L_i(v) = mean over pairs of −p_i·log σ(v_a − v_b) − (1 − p_i)·log σ(v_b − v_a)
// with p_i the probability that a is labelled better. Aggregated as in eq. 14 (LS) or eq. 16 (Tche)
// the problem is convex; damped Newton solves it and returns a certificate of how exactly.
// exact.ts turns the table into policies and fronts.
import type { AggregationSettings } from "../../core/aggregation/aggregation.ts";
import { RunConfig } from "../../core/config.ts";
import { dot, largest, matrixProduct, solveDense, weightedSum } from "./dense.ts";
import { type Likelihood, likelihoodTerm } from "./likelihood.ts";
import { type Scalarisation, tabularAggregations } from "./scalarisation.ts";

/** Every pair of answers that labels are drawn for; answers are numbered across all prompts. */
export interface PairPopulation {
  /** Answers per prompt; pairs never cross prompts. */
  answersPerPrompt: number[]; // (P)
  pairs: PopulationPair[];
  /** The term of rpo_alpha; none by default. */
  likelihood?: Likelihood;
}

/** Two answers and, per dimension, the probability in (0, 1) that `first` is labelled better. */
export interface PopulationPair {
  first: number;
  second: number;
  probabilities: number[]; // (M)
}

/** The solution for one preference. */
export interface TabularSolution {
  /** Implicit rewards β·log(π/π_ref), each prompt's summing to 0. */
  values: Float64Array;
  /** L_i at the solution. */
  losses: number[]; // (M)
  /** Largest entry of the gradient of the aggregated loss at the solution. */
  gradientNorm: number;
  /**
   * Upper bound of (aggregated loss − its minimum) by Lagrangian duality, given a zero gradient:
   * 0 where the loss is smooth, max λ_i L_i − Σ w_i λ_i L_i for Tche, augmented or not.
   */
  gap: number;
}

/**
 * Minimises the aggregated DPO loss of a population for one preference (M).
 * Throws RangeError on an unknown aggregation or probabilities outside (0, 1), where no finite
 * optimum need exist, and Error when the gradient stays above 1e-6.
 */
export function solveTabularDpo(
  population: PairPopulation,
  { preference, aggregation, settings = RunConfig.parse({}) }: {
    preference: number[];
    aggregation: string;
    settings?: AggregationSettings;
  },
): TabularSolution {
  const stages = tabularAggregations[aggregation]?.(preference, settings);
  if (stages === undefined) {
    throw new RangeError(
      `Cannot solve tabular DPO: expected an aggregation among ${
        Object.keys(tabularAggregations).join(", ")
      }, got ${aggregation}`,
    );
  }
  checkPopulation(population, preference.length);
  const answers = population.answersPerPrompt.reduce((sum, count) => sum + count, 0);
  let solution: TabularSolution | undefined;
  for (const [index, scalarisation] of stages.entries()) {
    const start = solution?.values ?? new Float64Array(answers);
    // Only the last stage counts; the ones before it are to start it nearby.
    const tolerance = index === stages.length - 1 ? 1e-20 : 1e-8;
    solution = minimise(population, { scalarisation, start, tolerance });
  }
  if (solution === undefined || !(solution.gradientNorm <= 1e-6)) {
    throw new Error(
      `Cannot solve tabular DPO: expected a gradient below 1e-6, got ${solution?.gradientNorm}`,
    );
  }
  return solution;
}

/** Damped Newton: every step solves one small system per prompt and one of size M. */
function minimise(
  population: PairPopulation,
  { scalarisation, start, tolerance }: {
    scalarisation: Scalarisation;
    start: Float64Array;
    tolerance: number;
  },
): TabularSolution {
  let values = start;
  let state = evaluate(population, values);
  let gradient = weightedSum(state.gradients, scalarisation.gradient(state.losses));
  for (let iteration = 0; iteration < 100; iteration++) {
    const step = newtonStep(population, { values, state, gradient, scalarisation });
    // −slope / 2 estimates the distance to the minimum; Newton squares it with every step.
    const slope = dot(gradient, step);
    if (!(slope < -tolerance)) break;
    const before = scalarisation.value(state.losses);
    let size = 1;
    let next = moved(values, { step, size });
    let nextState = evaluate(population, next);
    while (scalarisation.value(nextState.losses) > before + 1e-4 * size * slope && size > 1e-6) {
      size /= 2;
      next = moved(values, { step, size });
      nextState = evaluate(population, next);
    }
    // A decrease of the last bits cannot be seen in the value: then the full step is right.
    if (size <= 1e-6) {
      if (slope < -1e-12) break;
      next = moved(values, { step, size: 1 });
      nextState = evaluate(population, next);
    }
    [values, state] = [next, nextState];
    gradient = weightedSum(state.gradients, scalarisation.gradient(state.losses));
  }
  const { losses } = state;
  return { values, losses, gradientNorm: largest(gradient), gap: scalarisation.gap(losses) };
}

function moved(
  values: Float64Array,
  { step, size }: { step: Float64Array; size: number },
): Float64Array {
  return values.map((value, index) => value + size * (step[index] ?? 0));
}

/** The losses of all dimensions and their gradients at v. */
function evaluate(population: PairPopulation, values: Float64Array): LossState {
  const m = population.pairs[0]?.probabilities.length ?? 0;
  const weight = 1 / population.pairs.length;
  const losses = new Array<number>(m).fill(0);
  const gradients = losses.map(() => new Float64Array(values.length));
  for (const { first, second, probabilities } of population.pairs) {
    const difference = (values[first] ?? 0) - (values[second] ?? 0);
    const win = 1 / (1 + Math.exp(-difference));
    // −log σ(d) = softplus(−d); its mirror image is softplus(−d) + d.
    const lossOfWin = Math.log1p(Math.exp(-Math.abs(difference))) + Math.max(0, -difference);
    for (let i = 0; i < m; i++) {
      const p = probabilities[i] ?? 0;
      losses[i] = (losses[i] ?? 0) + weight * (lossOfWin + (1 - p) * difference);
      const gradient = gradients[i];
      if (gradient === undefined) continue;
      gradient[first] = (gradient[first] ?? 0) + weight * (win - p);
      gradient[second] = (gradient[second] ?? 0) - weight * (win - p);
    }
  }
  likelihoodTerm(population)?.addTo(values, { losses, gradients });
  return { losses, gradients };
}

interface LossState {
  losses: number[]; // (M)
  gradients: Float64Array[]; // (M, answers)
}

/**
 * −(Σ_i F_i·H_i + Jᵀ F'' J)⁻¹ · Jᵀ F' where the Hessians H_i are block diagonal by prompt and the
 * rest has rank M: Woodbury's identity.
 */
function newtonStep(
  population: PairPopulation,
  { values, state, gradient, scalarisation }: {
    values: Float64Array;
    state: LossState;
    gradient: Float64Array;
    scalarisation: Scalarisation;
  },
): Float64Array {
  const [g = new Float64Array(), ...columns] = solveByPrompt(population, {
    values,
    weights: scalarisation.gradient(state.losses),
    rightSides: [gradient, ...state.gradients],
  });
  const curvature = scalarisation.curvature(state.losses);
  const coupling = state.gradients.map((row) => columns.map((column) => dot(row, column)));
  const projected = state.gradients.map((row) => dot(row, g));
  const small = matrixProduct(curvature, coupling).map((row, i) =>
    row.map((value, j) => value + (i === j ? 1 : 0))
  );
  const rightSide = matrixProduct(curvature, projected.map((value) => [value]));
  const correction = solveDense(small, rightSide).map((row) => row[0] ?? 0);
  return g.map((value, index) =>
    columns.reduce((sum, column, i) => sum + (column[index] ?? 0) * (correction[i] ?? 0), -value)
  );
}

/** (Σ weights_i·H_i)⁻¹ applied to several right sides whose entries sum to 0 within each prompt. */
function solveByPrompt(
  population: PairPopulation,
  { values, weights, rightSides }: {
    values: Float64Array;
    weights: number[]; // (M)
    rightSides: Float64Array[];
  },
): Float64Array[] {
  // The contrast's Hessian does not depend on the labels: all dimensions share it.
  const weight = weights.reduce((sum, value) => sum + value, 0) / population.pairs.length;
  const results = rightSides.map((side) => new Float64Array(side.length));
  const promptOf = population.answersPerPrompt.flatMap((count, p) => Array<number>(count).fill(p));
  // v is only determined up to a constant per prompt; the added constant matrix fixes its sum to 0.
  const blocks = population.answersPerPrompt.map((count) =>
    Array.from({ length: count }, () => new Array<number>(count).fill(weight))
  );
  const offsets: number[] = [];
  population.answersPerPrompt.reduce((sum, count) => (offsets.push(sum), sum + count), 0);
  for (const { first, second } of population.pairs) {
    const win = 1 / (1 + Math.exp((values[second] ?? 0) - (values[first] ?? 0)));
    const curvature = weight * win * (1 - win);
    const prompt = promptOf[first] ?? 0;
    const offset = offsets[prompt] ?? 0;
    for (const [row, column, sign] of laplacianEntries(first - offset, second - offset)) {
      const line = blocks[prompt]?.[row];
      if (line !== undefined) line[column] = (line[column] ?? 0) + sign * curvature;
    }
  }
  likelihoodTerm(population)?.addCurvature(values, { weights, blocks });
  blocks.forEach((block, prompt) => {
    const offset = offsets[prompt] ?? 0;
    const sides = block.map((_, row) => rightSides.map((side) => side[offset + row] ?? 0));
    const solved = solveDense(block, sides);
    results.forEach((result, side) => result.set(solved.map((row) => row[side] ?? 0), offset));
  });
  return results;
}

function laplacianEntries(a: number, b: number): [number, number, number][] {
  return [[a, a, 1], [b, b, 1], [a, b, -1], [b, a, -1]];
}

function checkPopulation({ answersPerPrompt, pairs }: PairPopulation, m: number): void {
  const answers = answersPerPrompt.reduce((sum, count) => sum + count, 0);
  for (const { first, second, probabilities } of pairs) {
    if (!(first < answers && second < answers) || probabilities.length !== m) {
      throw new TypeError(
        `Cannot solve tabular DPO: expected pairs of ${answers} answers with ${m} probabilities, ` +
          `got answers ${first} and ${second} with ${probabilities.length}`,
      );
    }
    if (!probabilities.every((p) => p > 0 && p < 1)) {
      throw new RangeError(
        `Cannot solve tabular DPO: expected probabilities in (0, 1), got [${probabilities}]`,
      );
    }
  }
  if (pairs.length === 0) {
    throw new RangeError("Cannot solve tabular DPO: expected at least one pair, got none");
  }
}
