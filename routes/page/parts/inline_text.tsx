/** @jsxImportSource preact */
// Text with code, emphasis and links in it, as adapters/markdown reads it.
import type { Inline } from "../adapters/markdown.ts";

export function InlineText({ parts }: { parts: Inline[] }) {
  return (
    <>
      {parts.map((part, i) => {
        switch (part.type) {
          case "code":
            return <code key={i}>{part.text}</code>;
          case "strong":
            return <strong key={i}>{part.text}</strong>;
          case "emphasis":
            return <em key={i}>{part.text}</em>;
          case "link":
            return <a key={i} href={part.href} rel="noopener noreferrer">{part.text}</a>;
          default:
            return part.text;
        }
      })}
    </>
  );
}
