/** @jsxImportSource preact */
// The adapters the server holds.
import { useEffect } from "preact/hooks";
import type { AdapterSummary } from "../../../workers/service.ts";
import { dimensionColour } from "../../../core/front/palette.ts";
import { Loaded } from "../parts/notice.tsx";
import { ViewTitle } from "../parts/view_title.tsx";
import { adapters, loadAdapters } from "../server/resources.ts";

export function AdapterList() {
  useEffect(() => void loadAdapters(), []);
  return (
    <>
      <header class="view-head">
        <ViewTitle>Adapters</ViewTitle>
        <a class="button primary" href="#/runs/new">Train another</a>
      </header>
      <Loaded resource={adapters.value} what="the adapters" onRetry={loadAdapters}>
        {(list) =>
          list.length === 0
            ? (
              <div class="notice">
                <p>No adapter yet. A run makes one.</p>
              </div>
            )
            : <ul class="list">{list.map((one) => <Row key={one.id} adapter={one} />)}</ul>}
      </Loaded>
    </>
  );
}

function Row({ adapter }: { adapter: AdapterSummary }) {
  const { id, base, steps, objective, finished } = adapter;
  return (
    <li class="card list-row">
      <div class="list-main">
        <a class="list-name" href={`#/adapters/${encodeURIComponent(id)}`}>{id}</a>
        <p class="quiet">{base}, {steps} steps of {objective}</p>
      </div>
      <DimensionTags dimensions={adapter.dimensions} />
      {!finished && <span class="chip">Not finished</span>}
    </li>
  );
}

/** The dimensions of an adapter in their colours. */
export function DimensionTags({ dimensions }: { dimensions: string[] }) {
  return (
    <ul class="tags" aria-label="Dimensions">
      {dimensions.map((name, i) => (
        <li key={name}>
          <span class="swatch" style={{ "--dimension": dimensionColour(i) }} aria-hidden="true" />
          {name}
        </li>
      ))}
    </ul>
  );
}
