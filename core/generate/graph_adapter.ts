// Where the decoder's graph takes its adapter from: inputs, so that one graph serves every adapter of
// a model, or constants, so that the graph is a model of its own which takes λ.
import { graphNames } from "./graph_names.ts";
import type { GraphBuilder } from "./onnx.ts";
import type { Product } from "./products.ts";

/** A graph under construction, and its constants by name. */
export interface GraphValues {
  graph: GraphBuilder;
  constant(name: string): string;
}

/** An adapter in a graph; both methods give names of values. */
export interface GraphAdapter {
  /** What scales the factors' columns (B, 1, R). */
  rowFactors(values: GraphValues): string;
  /** The factors of a product of n maps: Vᵀ (n·R, 1, in) and U (n·R, 1, out). */
  factors(values: GraphValues, product: Product): { V: string; U: string };
}

/** Factors and what scales them are inputs. */
export const adapterAsInputs: GraphAdapter = {
  rowFactors: ({ graph }) => graph.input(graphNames.rowFactors, "float32", ["B", 1, "R"]),
  factors({ graph }, { name, maps, ...product }) {
    const names = graphNames.factors(name);
    return {
      V: graph.input(names.V, "float32", [`${maps.length}R`, 1, product.in]),
      U: graph.input(names.U, "float32", [`${maps.length}R`, 1, product.out]),
    };
  },
};

/** The constant with what each of the M dimensions alone scales columns by (M, R). */
export const CORNERS = "preference_factors";

/**
 * Factors are constants and λ over M `objectives` is an input. For adapters that are affine in λ: what
 * scales their columns is λ times `CORNERS`.
 */
export function adapterAsConstants(objectives: number): GraphAdapter {
  return {
    rowFactors({ graph, constant }) {
      const dims = ["B", 1, objectives];
      const preference = graph.input(graphNames.preference, "float32", dims);
      return graph.node("MatMul", [preference, constant(CORNERS)]);
    },
    factors({ constant }, { name }) {
      const { V, U } = graphNames.factors(name);
      return { V: constant(V), U: constant(U) };
    },
  };
}
