// The report's style sheet: one column that fits a phone, light and dark, figures on white.

export const style = `
:root { color-scheme: light dark; --ink: #1f2933; --muted: #52606d; --line: #d5dae0;
  --page: #ffffff; --card: #f6f8fa; --link: #0b5cad;
  --holds: #0c6b3f; --fails: #a8261b; --open: #7a5200; --missing: #52606d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaee; --muted: #a3afbb; --line: #38434e;
  --page: #14191e; --card: #1d242b; --link: #7db8f5;
  --holds: #62d39a; --fails: #ff9d92; --open: #f0c063; --missing: #a3afbb; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); line-height: 1.5;
  font: 16px/1.5 Inter, "Helvetica Neue", Arial, "DejaVu Sans", sans-serif; }
header, main, footer { max-width: 860px; margin: 0 auto; padding: 0 16px; }
header { padding-top: 32px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 8px; }
h2 { font-size: 21px; margin: 48px 0 8px; }
h3 { font-size: 17px; margin: 0 0 8px; }
p { margin: 0 0 12px; max-width: 70ch; }
a { color: var(--link); }
.muted, figcaption, .source { color: var(--muted); }
nav ul { display: flex; flex-wrap: wrap; gap: 4px 20px; list-style: none; padding: 0; margin: 12px 0; }
nav a { display: inline-block; padding: 4px 0; }
.findings { list-style: none; padding: 0; margin: 0; }
.findings li { border-top: 1px solid var(--line); padding: 12px 0; display: grid;
  grid-template-columns: 11rem 1fr; gap: 4px 16px; }
.findings p { margin: 0; }
.findings + h3 { margin-top: 24px; }
.verdict { font-weight: 600; }
.holds { color: var(--holds); } .fails { color: var(--fails); }
.open { color: var(--open); } .missing { color: var(--missing); }
figure { margin: 24px 0 40px; }
figcaption { margin-top: 8px; max-width: 70ch; }
.picture { background: #fff; border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
.picture svg { display: block; width: 100%; height: auto; }
.narrow { display: none; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; margin: 8px 0 16px; }
table { border-collapse: collapse; font-size: 14px; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 10px; text-align: right; vertical-align: top; white-space: nowrap; }
thead th { border-bottom: 1px solid var(--line); vertical-align: bottom; white-space: normal;
  min-width: 5.5rem; font-weight: 600; }
tbody tr + tr > * { border-top: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0;
  background: var(--page); }
tbody th { font-weight: 500; white-space: normal; min-width: 8rem; max-width: 15rem; }
td .interval { display: block; color: var(--muted); font-size: 12px; }
td.text { text-align: left; white-space: normal; min-width: 12rem; }
.sample { background: var(--card); border-radius: 8px; padding: 12px 16px; margin: 12px 0; }
.sample h4 { margin: 0 0 8px; font-size: 15px; }
.answer { border-left: 5px solid; padding: 2px 0 2px 12px; margin: 10px 0; }
.answer p { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
details { border-top: 1px solid var(--line); padding: 6px 0; }
summary { cursor: pointer; padding: 4px 0; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 8px 0; font-size: 14px; }
dt { color: var(--muted); } dd { margin: 0; overflow-wrap: anywhere; }
footer { padding-top: 32px; padding-bottom: 48px; color: var(--muted); font-size: 14px; }
@media (max-width: 640px) {
  .wide { display: none; } .narrow { display: block; }
  .findings li { grid-template-columns: 1fr; }
  h1 { font-size: 24px; } dl { grid-template-columns: 1fr; } dt { margin-top: 6px; }
  th:first-child { max-width: 9rem; min-width: 7rem; }
}
@media print { .scroll { overflow: visible; } }
`;
