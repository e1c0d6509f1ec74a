/** @jsxImportSource preact */
// One adapter whole: front, curves, card, settings, and the way to delete it.
import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { AdapterDetails } from "../../../workers/service.ts";
import { noChoice } from "../front/choice.ts";
import { FrontSection } from "../front/section.tsx";
import type { PageData } from "../page_data.ts";
import { Failure, Loaded } from "../parts/notice.tsx";
import { SettingsTable } from "../parts/settings_table.tsx";
import { ViewTitle } from "../parts/view_title.tsx";
import { stepOfRow } from "../jobs/curves.ts";
import { CurvesView } from "../jobs/curves_view.tsx";
import { send, sentenceOf } from "../server/api.ts";
import { detailsOf, forgetDetails, loadAdapters, loadDetails } from "../server/resources.ts";
import { chooseAdapter, goTo } from "../state.ts";
import { Card } from "./card.tsx";
import { DimensionTags } from "./list.tsx";

export function AdapterView({ id, data }: { id: string; data: PageData }) {
  return (
    <>
      <p class="crumb">
        <a href="#/adapters">Adapters</a>
      </p>
      <Loaded
        resource={detailsOf(id).value}
        what={`the adapter ${id}`}
        onRetry={() => loadDetails(id)}
      >
        {(details) => <Content details={details} data={data} />}
      </Loaded>
    </>
  );
}

function Content({ details, data }: { details: AdapterDetails; data: PageData }) {
  const { id, base, dimensions, steps, objective, aggregation, finished, metrics } = details;
  const logged = metrics.map(stepOfRow).filter((step) => step !== null);
  const choice = useSignal(noChoice);

  function open() {
    chooseAdapter(id);
    goTo({ view: "explore" });
  }

  return (
    <>
      <header class="view-head">
        <ViewTitle>{id}</ViewTitle>
        <div class="row actions">
          <button type="button" class="button primary" onClick={open}>Chat with it</button>
          <Delete id={id} />
        </div>
      </header>
      <div class="row about">
        <DimensionTags dimensions={dimensions} />
        <span class="quiet">
          {base}, {steps} steps of {objective} with {aggregation} aggregation
          {finished ? "" : ", not finished"}
        </span>
      </div>
      <FrontSection details={details} metrics={data.metrics} choice={choice} />
      {logged.length > 0 && (
        <section class="card" aria-labelledby="curves-title">
          <h2 id="curves-title">Training</h2>
          <CurvesView steps={logged} />
        </section>
      )}
      {details.card !== "" && (
        <section class="card" aria-labelledby="card-title">
          <h2 id="card-title">Card</h2>
          <Card text={details.card} />
        </section>
      )}
      {details.run !== null && (
        <details class="folded">
          <summary>Settings of the run</summary>
          <SettingsTable settings={details.run} caption="Settings of the run" />
        </details>
      )}
      <details class="folded">
        <summary>Configuration of the adapter</summary>
        <SettingsTable settings={details.config} caption="Configuration of the adapter" />
      </details>
    </>
  );
}

function Delete({ id }: { id: string }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const failure = useSignal<string | null>(null);
  const busy = useSignal(false);

  async function remove() {
    busy.value = true;
    failure.value = null;
    try {
      await (await send(`/adapters/${encodeURIComponent(id)}`, { method: "DELETE" })).body
        ?.cancel();
      dialog.current?.close();
      forgetDetails(id);
      await loadAdapters();
      goTo({ view: "adapters", id: null });
    } catch (error) {
      failure.value = sentenceOf(error);
    } finally {
      busy.value = false;
    }
  }

  return (
    <>
      <button type="button" class="button danger" onClick={() => dialog.current?.showModal()}>
        Delete
      </button>
      <dialog ref={dialog} aria-labelledby="delete-title">
        <h2 id="delete-title">Delete {id}?</h2>
        <p>
          The adapter, its checkpoints, fronts and logged steps are removed from the disk. This
          cannot be undone.
        </p>
        <Failure text={failure.value} />
        <div class="row">
          <button type="button" class="button danger" disabled={busy.value} onClick={remove}>
            Delete it
          </button>
          <button type="button" class="button" onClick={() => dialog.current?.close()}>
            Keep it
          </button>
        </div>
      </dialog>
    </>
  );
}
