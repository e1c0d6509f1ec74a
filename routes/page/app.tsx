/** @jsxImportSource preact */
// The page: one island that fills #app. Bundled by `deno task page`; state.ts holds what it shows.
import { effect } from "@preact/signals";
import { render } from "preact";
import { AdapterView } from "./adapters/details.tsx";
import { AdapterList } from "./adapters/list.tsx";
import { followPreferences } from "./chat/conversation.ts";
import { Explore } from "./explore.tsx";
import { KeyDialog } from "./key_dialog.tsx";
import { type PageData, readPageData } from "./page_data.ts";
import { JobList } from "./jobs/job_list.tsx";
import { JobView } from "./jobs/job_view.tsx";
import { NewRun } from "./jobs/new_run.tsx";
import { exploreAddress, followAddress, place } from "./state.ts";
import { currentTheme, followTheme, toggleTheme } from "./theme.ts";

function App({ data }: { data: PageData }) {
  return (
    <>
      <a class="skip" href="#main" onClick={skip}>Skip to the content</a>
      <Header />
      <main id="main" tabIndex={-1}>
        <View data={data} />
      </main>
      <footer>
        <span>Panacea {data.version}</span>
        <a href="/docs">API documentation</a>
      </footer>
      <KeyDialog />
    </>
  );
}

/** The address after "#" is ours: the link must not become a view. */
function skip(event: Event) {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function View({ data }: { data: PageData }) {
  const shown = place.value;
  switch (shown.view) {
    case "explore":
      return <Explore data={data} />;
    case "runs":
      if (shown.id === null) return <JobList />;
      return shown.id === "new" ? <NewRun data={data} /> : <JobView key={shown.id} id={shown.id} />;
    case "adapters":
      if (shown.id === null) return <AdapterList />;
      return <AdapterView key={shown.id} id={shown.id} data={data} />;
    default:
      return shown satisfies never;
  }
}

function Header() {
  const links = [
    { view: "explore", text: "Explore", href: exploreAddress.value },
    { view: "runs", text: "Runs", href: "#/runs" },
    { view: "adapters", text: "Adapters", href: "#/adapters" },
  ];
  const other = currentTheme() === "dark" ? "light" : "dark";
  return (
    <header class="site-head">
      <a class="brand" href={exploreAddress.value}>
        <svg viewBox="0 0 32 32" width={24} height={24} aria-hidden="true">
          <path d="M6 8c10 0 17 6 19 17" />
          <circle cx={6.5} cy={8} r={3.5} class="first" />
          <circle cx={18.5} cy={13} r={3.5} class="middle" />
          <circle cx={25} cy={24.5} r={3.5} class="last" />
        </svg>
        Panacea
      </a>
      <nav aria-label="Views">
        {links.map(({ view, text, href }) => (
          <a key={view} href={href} aria-current={place.value.view === view ? "page" : undefined}>
            {text}
          </a>
        ))}
      </nav>
      <button
        type="button"
        class="icon-button theme"
        onClick={toggleTheme}
        aria-label={`Use the ${other} theme`}
        title={`Use the ${other} theme`}
      >
        <svg viewBox="0 0 20 20" width={18} height={18} aria-hidden="true">
          {other === "dark"
            ? <path d="M16.500 12.500A7 7 0 0 1 7.500 3.500a7 7 0 1 0 9 9z" />
            : (
              <path d="M10 6.500a3.500 3.500 0 1 0 0 7a3.500 3.500 0 1 0 0-7M10 1.500v2M10 16.500v2M1.500 10h2M16.500 10h2M4 4l1.400 1.400M14.600 14.600l1.400 1.400M4 16l1.400-1.400M14.600 5.400l1.400-1.400" />
            )}
        </svg>
      </button>
    </header>
  );
}

function titleOf(): string {
  const shown = place.value;
  const parts = shown.view === "explore"
    ? ["Front and chat"]
    : [...(shown.id === null ? [] : [shown.id]), shown.view === "runs" ? "Runs" : "Adapters"];
  return [...parts, "Panacea"].join(" · ");
}

followTheme();
followAddress();
followPreferences();
effect(() => {
  document.title = titleOf();
});
const app = document.getElementById("app");
if (app !== null) {
  app.replaceChildren(); // the notice for browsers without JavaScript
  render(<App data={readPageData(document)} />, app);
}
