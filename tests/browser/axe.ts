// axe-core on a page: rules of WCAG 2.2 A and AA, and best practices, as sentences where one fails.
import axe from "axe-core";
import type { BrowserContext, Page } from "playwright-core";

/** Makes axe known to every page of a context; a policy against foreign scripts does not stop it. */
export async function addAxe(context: BrowserContext): Promise<void> {
  await context.addInitScript({ content: axe.source });
}

/** What axe finds wrong with the page as it stands. */
export async function findViolations(page: Page): Promise<string[]> {
  const { violations } = await page.evaluate(() =>
    (globalThis as unknown as { axe: typeof axe }).axe.run({ resultTypes: ["violations"] })
  );
  return violations.map(({ id, impact, help, nodes }) =>
    `${impact} ${id}: ${help}: ${nodes.map(({ html }) => html.slice(0, 160)).join(" … ")}`
  );
}
