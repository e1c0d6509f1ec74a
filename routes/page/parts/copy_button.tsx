/** @jsxImportSource preact */
// A button that copies a text, and says so. Over plain HTTP from another machine browsers give no
// clipboard; the text then has to be marked by hand, which the button says too.
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

const SAID_MS = 2000;

export function CopyButton({ text, label }: { text: string; label: string }) {
  const said = useSignal("");
  useEffect(() => {
    if (said.value === "") return;
    const timer = setTimeout(() => said.value = "", SAID_MS);
    return () => clearTimeout(timer);
  }, [said.value]);

  async function copy() {
    try {
      await navigator.clipboard.writeText(text);
      said.value = "Copied";
    } catch {
      // No clipboard here, or the browser's user refused it: both leave the same way out.
      said.value = "Mark the text to copy it";
    }
  }

  return (
    <button type="button" class="quiet-button" onClick={copy}>
      {said.value || label}
      <span class="unseen" role="status">{said.value}</span>
    </button>
  );
}
