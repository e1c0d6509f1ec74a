/** @jsxImportSource preact */
// The heading of a view. It takes the focus when the view changes, so that a screen reader says where
// one is; on the first view of all the focus stays where the browser puts it.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

let first = true;

export function ViewTitle({ children, unseen = false }: {
  children: ComponentChildren;
  unseen?: boolean;
}) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (!first) heading.current?.focus();
    first = false;
  }, []);
  return <h1 ref={heading} tabIndex={-1} class={unseen ? "unseen" : undefined}>{children}</h1>;
}
