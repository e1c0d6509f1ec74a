/** @jsxImportSource preact */
// A model card drawn from its blocks (markdown.ts): elements and text nodes, never HTML of the card.
import { InlineText } from "../parts/inline_text.tsx";
import { type Block, parseMarkdown } from "./markdown.ts";

export function Card({ text }: { text: string }) {
  return (
    <div class="markdown">
      {parseMarkdown(text).map((block, i) => <BlockView key={i} block={block} />)}
    </div>
  );
}

function BlockView({ block }: { block: Block }) {
  switch (block.type) {
    case "heading": {
      // The page's own headings end at the second level.
      const Heading = block.level <= 1 ? "h3" : block.level === 2 ? "h4" : "h5";
      return (
        <Heading>
          <InlineText parts={block.content} />
        </Heading>
      );
    }
    case "paragraph":
      return (
        <p>
          <InlineText parts={block.content} />
        </p>
      );
    case "code":
      return <pre tabIndex={0}><code>{block.text}</code></pre>;
    case "list": {
      const List = block.ordered ? "ol" : "ul";
      return (
        <List>
          {block.items.map((item, i) => (
            <li key={i}>
              <InlineText parts={item} />
            </li>
          ))}
        </List>
      );
    }
    case "table":
      return (
        <div class="scroll" tabIndex={0} role="region" aria-label="Table of the card">
          <table>
            <thead>
              <tr>
                {block.head.map((cell, i) => (
                  <th key={i} scope="col">
                    <InlineText parts={cell} />
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {block.rows.map((row, i) => (
                <tr key={i}>
                  {row.map((cell, j) => (
                    <td key={j}>
                      <InlineText parts={cell} />
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      );
    default:
      return block satisfies never;
  }
}
