/** @jsxImportSource preact */
// What stands where content is missing: on its way, failed, or not there yet.
import type { ComponentChildren } from "preact";
import type { Resource } from "../server/resource.ts";

/** The content of a resource, or what is known of it until it is there. */
export function Loaded<T>({ resource, what, onRetry, children }: {
  resource: Resource<T>;
  what: string; // "the adapters"
  onRetry: () => void;
  children: (value: T) => ComponentChildren;
}) {
  if (resource.state === "ready") return <>{children(resource.value)}</>;
  if (resource.state === "loading") return <Waiting what={what} />;
  return (
    <div class="notice" role="alert">
      <p>Cannot show {what}. {sentence(resource.error)}</p>
      <button type="button" class="button" onClick={onRetry}>Try again</button>
    </div>
  );
}

export function Waiting({ what }: { what: string }) {
  return (
    <div class="waiting" role="status">
      <span class="pulse" aria-hidden="true" />
      Loading {what}
    </div>
  );
}

/** An error where it belongs. */
export function Failure({ text }: { text: string | null }) {
  return text === null ? null : <p class="error" role="alert">{sentence(text)}</p>;
}

/** Our messages carry no full stop. */
function sentence(text: string): string {
  return /[.?!]$/.test(text) ? text : `${text}.`;
}
