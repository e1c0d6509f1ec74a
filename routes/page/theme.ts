// Light or dark: the system's choice until the user makes another, which this browser remembers.
import { effect, signal } from "@preact/signals";

const STORED = "panacea-theme";

export type Theme = "light" | "dark";

const system = matchMedia("(prefers-color-scheme: dark)");
const chosen = signal<Theme | null>(readStored());
const systemDark = signal(system.matches);

/** The theme on show. */
export function currentTheme(): Theme {
  return chosen.value ?? (systemDark.value ? "dark" : "light");
}

/** Changes to the other one. */
export function toggleTheme(): void {
  chosen.value = currentTheme() === "dark" ? "light" : "dark";
  localStorage.setItem(STORED, chosen.value);
}

/** Puts the theme on the document, now and whenever it changes. */
export function followTheme(): void {
  system.addEventListener("change", () => systemDark.value = system.matches);
  effect(() => {
    document.documentElement.dataset.theme = currentTheme();
  });
}

function readStored(): Theme | null {
  const stored = localStorage.getItem(STORED);
  return stored === "light" || stored === "dark" ? stored : null;
}
