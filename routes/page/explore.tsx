/** @jsxImportSource preact */
// The first view: an adapter's front, λ, and answers under it.
import { useEffect } from "preact/hooks";
import { letterOf } from "./chat/answers.tsx";
import { Chat } from "./chat/chat.tsx";
import { startAnew } from "./chat/conversation.ts";
import { FirstRun } from "./first_run.tsx";
import { Control } from "./front/control.tsx";
import { FrontSection } from "./front/section.tsx";
import type { PageData } from "./page_data.ts";
import { CopyButton } from "./parts/copy_button.tsx";
import { Loaded } from "./parts/notice.tsx";
import { ViewTitle } from "./parts/view_title.tsx";
import { adapters, detailsOf, loadAdapters, loadDetails, loadJobs } from "./server/resources.ts";
import {
  adapter,
  chooseAdapter,
  exploreAddress,
  frontChoice,
  missingAdapter,
  panes,
  selected,
  selectedPane,
} from "./state.ts";
import type { AdapterSummary } from "../../workers/service.ts";

export function Explore({ data }: { data: PageData }) {
  useEffect(() => {
    void loadAdapters();
    void loadJobs();
  }, []);
  return (
    <Loaded resource={adapters.value} what="the adapters" onRetry={loadAdapters}>
      {(list) => list.length === 0 ? <FirstRun /> : <Choice list={list} data={data} />}
    </Loaded>
  );
}

function Choice({ list, data }: { list: AdapterSummary[]; data: PageData }) {
  const shown = adapter.value;
  return (
    <>
      <ViewTitle unseen>Front and chat</ViewTitle>
      <div class="row about">
        <label class="inline-field adapter-choice">
          <span>Adapter</span>
          <select
            value={shown?.id ?? ""}
            onChange={(event) => {
              startAnew();
              chooseAdapter(event.currentTarget.value);
            }}
          >
            {shown === null && <option value="">choose one</option>}
            {list.map(({ id, finished }) => (
              <option key={id} value={id}>{finished ? id : `${id} (not finished)`}</option>
            ))}
          </select>
        </label>
        {shown && (
          <span class="quiet">
            {shown.base}, {shown.steps} steps of {shown.objective}
          </span>
        )}
        {shown && (
          <CopyButton
            text={`${location.origin}${location.pathname}${exploreAddress.value}`}
            label="Copy link"
          />
        )}
      </div>
      {missingAdapter.value !== null && (
        <div class="notice" role="alert">
          <p>There is no adapter named {missingAdapter.value} here. Choose another one above.</p>
        </div>
      )}
      {shown && <Workbench adapter={shown} data={data} />}
    </>
  );
}

function Workbench({ adapter, data }: { adapter: AdapterSummary; data: PageData }) {
  const pane = selectedPane.value;
  const several = panes.value.length > 1;
  const details = detailsOf(adapter.id).value;
  const choose = (preference: number[]) => {
    if (pane !== null) pane.preference.value = preference;
  };
  const marks = panes.value.map(({ preference }, i) => ({
    preference: preference.value,
    letter: several ? letterOf(i) : "",
    selected: panes.value[i] === pane,
  }));
  return (
    <div class={several ? "workbench several" : "workbench"}>
      <Loaded
        resource={details}
        what={`the adapter ${adapter.id}`}
        onRetry={() => loadDetails(adapter.id)}
      >
        {(whole) => (
          <FrontSection
            key={adapter.id}
            details={whole}
            metrics={data.metrics}
            choice={frontChoice}
            marks={marks}
            onChoose={choose}
          />
        )}
      </Loaded>
      <div class="side">
        {pane && (
          <section
            class={adapter.dimensions.length === 2 ? "card preference sticky" : "card preference"}
            aria-labelledby="preference-title"
          >
            <h2 id="preference-title">
              Preference λ{several && ` of answer ${letterOf(selected.value)}`}
            </h2>
            <Control
              dimensions={adapter.dimensions}
              preference={pane.preference.value}
              onChange={choose}
            />
          </section>
        )}
        <Chat adapter={adapter} />
      </div>
    </div>
  );
}
