/** @jsxImportSource preact */
// Asks for the API key when the server wants one. The key stays in this tab (sessionStorage).
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { giveKey, keyRefused, keyWanted } from "./server/api.ts";

export function KeyDialog() {
  const dialog = useRef<HTMLDialogElement>(null);
  const key = useSignal("");
  useEffect(() => {
    if (keyWanted.value) dialog.current?.showModal();
    else dialog.current?.close();
  }, [keyWanted.value]);

  function submit(event: Event) {
    event.preventDefault();
    const given = key.value.trim();
    if (given === "") return;
    key.value = "";
    giveKey(given);
  }

  return (
    <dialog ref={dialog} aria-labelledby="key-title" onCancel={() => giveKey(null)}>
      <form onSubmit={submit}>
        <h2 id="key-title">API key</h2>
        <p>
          {keyRefused.value
            ? "The server refused this key."
            : "This server answers only with its API key."} It is kept until you close this tab.
        </p>
        <div class="field">
          <label for="api-key">Key</label>
          <input
            id="api-key"
            type="password"
            autocomplete="off"
            value={key.value}
            onInput={(event) => key.value = event.currentTarget.value}
          />
        </div>
        <div class="row">
          <button type="submit" class="button primary">Use this key</button>
          <button type="button" class="button" onClick={() => giveKey(null)}>Go on without</button>
        </div>
      </form>
    </dialog>
  );
}
