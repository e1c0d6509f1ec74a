/** @jsxImportSource preact */
// Settings by name, as they were given or stored.

export function SettingsTable({ settings, caption }: {
  settings: Record<string, unknown>;
  caption: string;
}) {
  const rows = Object.entries(settings).filter(([, value]) => value !== undefined);
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={caption}>
      <table class="settings">
        <caption class="unseen">{caption}</caption>
        <tbody>
          {rows.map(([name, value]) => (
            <tr key={name}>
              <th scope="row">
                <code>{name}</code>
              </th>
              <td>{typeof value === "string" ? value : JSON.stringify(value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
