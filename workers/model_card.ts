// The README.md beside an adapter: what it is, what it was made of, what its front looks like.
import type { RunConfig } from "../core/config.ts";
import type { FrontReport } from "../core/front/report.ts";
import { namedDataset } from "../data/datasets/mod.ts";
import { statedLicenses } from "../data/datasets/licenses.ts";
import type { AdapterConfig } from "../data/store/run_folder.ts";

/** Markdown card with the metadata block that the Hugging Face hub reads. */
export async function modelCard(
  adapter: AdapterConfig,
  config: RunConfig,
  front: FrontReport | undefined,
): Promise<string> {
  const license = await dataLicense(config);
  return [
    "---",
    `base_model: ${JSON.stringify(adapter.base_model)}`,
    "library_name: panacea",
    ...licenseLine(license),
    "tags: [preference-conditioned, svd-lora, pareto]",
    "---",
    "",
    `# Preference-conditioned adapter: ${adapter.dimensions.join(", ")}`,
    "",
    introduction(adapter),
    "",
    ...frontSection(front, "fronts/final.svg"),
    ...madeFrom(adapter, config, { license }),
  ].join("\n");
}

/** The licences that a run's data sets state, as one text; undefined where none does. */
export async function dataLicense({ dataset }: RunConfig): Promise<string | undefined> {
  if (namedDataset(dataset) !== null) return undefined;
  const licenses = await statedLicenses(dataset);
  return licenses.length === 0 ? undefined : licenses.join(", ");
}

/** The line of a card's metadata for a licence; the hub takes a list for several. */
export function licenseLine(license: string | undefined): string[] {
  if (license === undefined) return [];
  const names = license.split(", ");
  return [`license: ${JSON.stringify(names.length === 1 ? license : names)}`];
}

/**
 * The sections on what an adapter or model was made from, and by what, with every setting; without
 * the run's configuration as far as the adapter itself tells.
 */
export function madeFrom(
  adapter: AdapterConfig,
  config: RunConfig | null,
  { license, training = `${adapter.objective} with ${adapter.aggregation} aggregation` }: {
    license: string | undefined;
    training?: string;
  },
): string[] {
  const settings = Object.entries(config ?? {}).filter(([, value]) => value !== undefined)
    .map(([name, value]) => `| ${name} | ${value} |`);
  return [
    "## Made from",
    "",
    `- base model ${adapter.base_model}, sha256 ${adapter.base_fingerprint}`,
    `- tokenizer and chat template, sha256 ${adapter.template_fingerprint}`,
    `- training rows ${
      config === null ? "" : `${config.dataset}, `
    }sha256 ${adapter.dataset_fingerprint}`,
    `- ${adapter.steps} steps of ${training}`,
    "",
    license === undefined
      ? "The data's licence applies to what was learned from it."
      : `Licence of the training data, which applies to what was learned from it: ${license}`,
    "",
    ...config === null
      ? []
      : ["## Settings", "", "| name | value |", "| --- | --- |", ...settings, ""],
  ];
}

/** What an adapter is, in a sentence or two. */
export function introduction(adapter: AdapterConfig): string {
  return introductions[adapter.adapter]?.(adapter) ?? `One adapter of the kind ${adapter.adapter}.`;
}

/** The same by its kind. */
const introductions: Record<string, (adapter: AdapterConfig) => string> = {
  svd_lora: ({ lora_r, dimensions }) =>
    `One SVD-LoRA adapter (Panacea, arXiv 2402.02030) of rank ${lora_r} + ` +
    `${dimensions.length}. The preference vector λ over ${dimensions.join(", ")} ` +
    "sits inside the singular values of every adapted weight matrix, so each λ is a model.",
  plain_svd_lora: ({ lora_r }) =>
    `One SVD-LoRA adapter of rank ${lora_r + 1} that no preference moves: one model.`,
  lora: ({ lora_r }) => `One LoRA adapter of rank ${lora_r} that no preference moves: one model.`,
  rewarded_soups: ({ lora_r, dimensions }) =>
    `Rewarded Soups (arXiv 2306.04488): ${dimensions.length} SVD-LoRA adapters of rank ` +
    `${lora_r + 1}, each trained for one of ${
      dimensions.join(", ")
    } alone. The preference vector λ ` +
    "interpolates them: ΔW(λ) = Σ λ_i ΔW_i.",
  discrete_policies: ({ lora_r, dimensions, members = [] }) =>
    `Discrete Policy Solutions: ${members.length} SVD-LoRA adapters of rank ${lora_r + 1}, each ` +
    `trained for one preference vector λ over ${dimensions.join(", ")}. Any other λ is served by ` +
    "the nearest of them; of those equally near, by the first of: " +
    `${members.map((member) => `(${member.join(", ")})`).join(", ")}.`,
};

/** The section on an adapter's front, drawn at the path `picture`; none without a front. */
export function frontSection(front: FrontReport | undefined, picture: string): string[] {
  if (front === undefined) return [];
  const { dimensions, points, metric, verdict } = front;
  const cells = (values: string[]) => `| ${values.join(" | ")} |`;
  const weights = dimensions.map((name) => `λ ${name}`);
  return [
    "## Front",
    "",
    `![front](${picture})`,
    "",
    `${verdict}. Values are ${metric.replaceAll("_", " ")}, with 95 % intervals.`,
    "",
    cells([...weights, ...dimensions]),
    cells([...weights, ...dimensions].map(() => "---")),
    ...points.map(({ preference, values, low, high }) =>
      cells([
        ...preference.map((weight) => weight.toFixed(2)),
        ...values.map((value, i) =>
          `${value.toFixed(3)} (${low[i]?.toFixed(3)} – ${high[i]?.toFixed(3)})`
        ),
      ])
    ),
    "",
  ];
}
