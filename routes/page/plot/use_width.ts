// The width of an element as it changes, so that a chart's text keeps its size on every screen.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

/** A ref for the element, and its width in pixels; 0 until it has been laid out. */
export function useWidth<E extends Element>() {
  const ref = useRef<E>(null);
  const width = useSignal(0);
  useEffect(() => {
    const element = ref.current;
    if (element === null) return;
    const observer = new ResizeObserver(([entry]) => {
      width.value = Math.round(entry?.contentRect.width ?? 0);
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return { ref, width };
}
