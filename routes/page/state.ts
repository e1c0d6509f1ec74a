// The view and what it shows, kept in step with the address: the signals that every part of the page
// reads. Going to another view makes an entry in the browser's history; moving λ does not.
import { batch, computed, effect, type Signal, signal } from "@preact/signals";
import {
  type Address,
  defaultSampling,
  formatAddress,
  parseAddress,
  type Place,
  type Sampling,
} from "./address.ts";
import { type FrontChoice, noChoice } from "./front/choice.ts";
import {
  cornerPreference,
  equalPreference,
  readPreference,
  samePreference,
} from "./front/preference.ts";
import { adapters } from "./server/resources.ts";
import { valueOf } from "./server/resource.ts";

/** One answer's preference vector; beside others it carries a letter. */
export interface Pane {
  key: number;
  preference: Signal<number[]>;
}

export const MOST_PANES = 4;
/** Browsers refuse more than about 200 changes of the address in 30 s. */
const ADDRESS_DELAY_MS = 300;

export const place = signal<Place>({ view: "explore" });
export const question = signal("");
export const sampling = signal<Sampling>(defaultSampling);
export const panes = signal<Pane[]>([]);
/** Which pane the controls and the front move. */
export const selected = signal(0);
/** Which front is on show, and what stands beside it. */
export const frontChoice = signal<FrontChoice>(noChoice);

const wantedAdapter = signal<string | null>(null);
/** λ of the address until an adapter is known that says how many weights it needs. */
let wantedPreferences: number[][] = [];
let keys = 0;

/** The adapter on show: the one asked for, or the first finished one. */
export const adapter = computed(() => {
  const all = valueOf(adapters.value) ?? [];
  return all.find(({ id }) => id === wantedAdapter.value) ??
    (wantedAdapter.value === null ? all.find(({ finished }) => finished) ?? all[0] : undefined) ??
    null;
});

/** A name in the address that the server has no adapter for. */
export const missingAdapter = computed(() => {
  const all = valueOf(adapters.value);
  const wanted = wantedAdapter.value;
  return all !== null && wanted !== null && !all.some(({ id }) => id === wanted) ? wanted : null;
});

export const selectedPane = computed(() => panes.value[selected.value] ?? panes.value[0] ?? null);

/** The address of the view "explore" as it stands. */
export const exploreAddress = computed(() => formatAddress(addressOf({ view: "explore" })));

/** Reads the address now and whenever it changes, and keeps it up to date. */
export function followAddress(): void {
  let known = location.hash;
  const read = () => {
    known = location.hash;
    applyAddress(parseAddress(known));
  };
  read();
  addEventListener("hashchange", read);
  let timer: ReturnType<typeof setTimeout> | undefined;
  effect(() => {
    const target = formatAddress(addressOf(place.value));
    clearTimeout(timer);
    timer = setTimeout(() => {
      // Another address than the one we know has just been gone to: its event is on the way.
      if (location.hash !== known) return;
      if (target !== (known || "#/")) history.replaceState(null, "", target);
      known = location.hash;
    }, ADDRESS_DELAY_MS);
  });
  // Panes need the adapter's number of dimensions.
  effect(() => {
    const m = adapter.value?.dimensions.length;
    if (m !== undefined) fitPanes(m);
  });
}

/** Goes to a view, with an entry in the history. */
export function goTo(target: Place): void {
  location.hash = formatAddress(addressOf(target));
}

/** Shows an adapter in the view "explore" at equal weights. */
export function chooseAdapter(id: string): void {
  batch(() => {
    wantedPreferences = [];
    if (wantedAdapter.value !== id) {
      panes.value = [];
      frontChoice.value = noChoice;
    }
    wantedAdapter.value = id;
    selected.value = 0;
  });
}

/** Adds an answer beside the others, at the corner or middle that no other pane shows. */
export function addPane(): void {
  const m = adapter.value?.dimensions.length;
  if (m === undefined || panes.value.length >= MOST_PANES) return;
  const shown = panes.value.map(({ preference }) => preference.value);
  const wishes = [
    ...Array.from({ length: m }, (_, i) => cornerPreference(i, m)),
    equalPreference(m),
  ];
  const free = wishes.find((wish) => !shown.some((other) => samePreference(wish, other)));
  batch(() => {
    panes.value = [...panes.value, makePane(free ?? equalPreference(m))];
    selected.value = panes.value.length - 1;
  });
}

/** Takes one answer away; the last one stays. */
export function removePane(index: number): void {
  if (panes.value.length <= 1) return;
  batch(() => {
    panes.value = panes.value.filter((_, i) => i !== index);
    selected.value = Math.max(0, selected.value - (index <= selected.value ? 1 : 0));
  });
}

function applyAddress({ place: target, exploration }: Address): void {
  batch(() => {
    place.value = target;
    if (target.view !== "explore") return; // those views leave the exploration as it was
    const { adapter: id, preferences } = exploration;
    if (id !== null && id !== wantedAdapter.value) panes.value = [];
    if (id !== null) wantedAdapter.value = id;
    frontChoice.value = { front: exploration.front, beside: exploration.beside };
    question.value = exploration.question;
    sampling.value = exploration.sampling;
    if (preferences.length === 0) return;
    wantedPreferences = preferences;
    const m = adapter.value?.dimensions.length;
    if (m !== undefined) fitPanes(m);
  });
}

/** Makes the panes that the address asks for, or one at equal weights. */
function fitPanes(m: number): void {
  const wanted = wantedPreferences.map((weights) => readPreference(weights, m))
    .filter((preference) => preference !== null);
  wantedPreferences = [];
  const present = panes.peek();
  const fits = present.length > 0 &&
    present.every(({ preference }) => preference.peek().length === m);
  if (wanted.length === 0) {
    if (!fits) panes.value = [makePane(equalPreference(m))];
    return;
  }
  if (fits && wanted.length === present.length) {
    for (const [i, { preference }] of present.entries()) {
      const next = wanted[i];
      if (next && !samePreference(next, preference.peek())) preference.value = next;
    }
    return;
  }
  panes.value = wanted.map(makePane);
  selected.value = 0;
}

function makePane(preference: number[]): Pane {
  return { key: keys++, preference: signal(preference) };
}

function addressOf(target: Place): Address {
  return {
    place: target,
    exploration: {
      adapter: adapter.value?.id ?? wantedAdapter.value,
      preferences: panes.value.map(({ preference }) => preference.value),
      question: question.value,
      sampling: sampling.value,
      ...frontChoice.value,
    },
  };
}
