import assert from "node:assert/strict";
import { parseHTML } from "linkedom";
import { figure, frontCsv, frontSvg, frontTable } from "../../../core/front/render.ts";
import { type FrontReport, summarizeFront } from "../../../core/front/report.ts";
import { measurement } from "./fixture.ts";
import { assertWellFormed } from "./markup.ts";

const options = { seed: 1, resamples: 100 };

function report(m: number, overrides: Parameters<typeof measurement>[1] = {}): FrontReport {
  return summarizeFront(measurement(m, { pointsPerEdge: m === 2 ? 11 : 4, ...overrides }), options);
}

function elements(svg: string, selector: string): { getAttribute(name: string): string | null }[] {
  const { document } = parseHTML(`<body>${svg}</body>`) as unknown as {
    document: { querySelectorAll(s: string): Iterable<{ getAttribute(n: string): string | null }> };
  };
  return [...document.querySelectorAll(selector)];
}

Deno.test("frontTable() has a row for each point, the indicators and the verdict", () => {
  const two = report(2);
  const table = frontTable(two);
  const rows = table.split("\n").filter((line) => /^ [01]\.\d\d +│/.test(line));
  assert.equal(rows.length, 11);
  const [first] = two.points;
  assert.match(rows[0] ?? "", new RegExp(`0\\.00 +│ 1\\.00 .*${first?.values[0]?.toFixed(3)} \\[`));
  assert.equal(new Set(rows.map((row) => row.lastIndexOf("│"))).size, 1, "columns are aligned");
  assert.match(table, /hypervolume .* above the reference point \(0\.250, 0\.250\)/);
  assert.ok(table.endsWith(`${two.verdict}\n`));
  assert.doesNotMatch(table, /exact front/);
});

Deno.test("frontTable() tells the share of the exact front where it is known", () => {
  const exact = [{ preference: [1, 0], values: [0.9, 0.9] }];
  const table = frontTable(summarizeFront({ ...measurement(2), exact }, options));
  assert.match(table, /beside the exact +\d+\.\d % of the exact front's/);
});

Deno.test("figure() keeps numbers short at every size", () => {
  assert.deepEqual(
    [0, 0.12345, -3.14159, 42.4242, 1234.5, 0.00012, 1e7].map(figure),
    ["0.000", "0.123", "-3.142", "42.42", "1234.5", "1.20e-4", "1.00e+7"],
  );
});

Deno.test("frontCsv() gives every number back in full precision", () => {
  const two = report(2);
  const [header, ...lines] = frontCsv(two).trimEnd().split("\n");
  assert.equal(
    header,
    "lambda_helpful,lambda_harmless,helpful,helpful_low,helpful_high," +
      "harmless,harmless_low,harmless_high",
  );
  assert.deepEqual(
    lines.map((line) => line.split(",").map(Number)),
    two.points.map(({ preference, values, low, high }) => [
      ...preference,
      ...values.flatMap((value, i) => [value, low[i], high[i]]),
    ]),
  );
});

Deno.test("frontCsv() quotes names that hold commas or quotes", () => {
  const odd = { ...report(1), dimensions: ['kind, "very"'] };
  assert.match(frontCsv(odd), /^"lambda_kind, ""very""","kind, ""very""",/);
});

for (const m of [1, 2, 3, 4]) {
  Deno.test(`frontSvg() is a standalone, well-formed picture for ${m} dimension(s)`, () => {
    const front = report(m);
    const other = report(m, { adapter: "soups <a&b>", base: 0.4 });
    const svg = frontSvg(front, { series: [other] });
    assertWellFormed(svg);
    assert.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" width="\d+" height="\d+"/);
    assert.doesNotMatch(svg, /<script|<style|@import|url\(|href=|NaN|undefined|Infinity/);
    for (const name of front.dimensions) {
      assert.ok(svg.includes(`${name} (implicit-reward accuracy)`), `axis of ${name}`);
    }
    assert.ok(svg.includes("soups &lt;a&amp;b&gt;"));
    assert.ok(svg.includes("λ "), "the verdict");
    const panels = Math.max(1, (m * (m - 1)) / 2);
    const dots = elements(svg, '[aria-label="dot"] circle');
    assert.equal(dots.length, panels * (front.points.length + other.points.length));
  });
}

Deno.test("frontSvg() joins the points in the order of λ, whatever the order of the report", () => {
  const front = report(2);
  const path = (svg: string) => elements(svg, '[aria-label="line"] path').at(-1)?.getAttribute("d");
  const reversed = { ...front, points: front.points.toReversed() };
  assert.ok(path(frontSvg(front)));
  assert.equal(path(frontSvg(reversed)), path(frontSvg(front)));
});

Deno.test("frontSvg() marks the exact front, the reference point and the two ends", () => {
  const exact = [{ preference: [0, 1], values: [0.5, 0.9] }, {
    preference: [1, 0],
    values: [0.9, 0.5],
  }];
  const svg = frontSvg(summarizeFront({ ...measurement(2), exact }, options));
  for (const text of ["exact front", "reference point", "only helpful", "only harmless"]) {
    assert.ok(svg.includes(`>${text}<`), text);
  }
  const far = { ...measurement(2), referencePoint: [-50, -50] };
  assert.ok(!frontSvg(summarizeFront(far, options)).includes("reference point"));
});

Deno.test("frontSvg() draws points that all coincide", () => {
  const svg = frontSvg(report(2, { effect: 0, prompts: 1, base: 1 }));
  assertWellFormed(svg);
  assert.doesNotMatch(svg, /NaN/);
});

Deno.test("frontSvg() refuses a series of other dimensions", () => {
  assert.throws(() => frontSvg(report(2), { series: [report(3)] }), /^TypeError: Cannot draw/);
});
