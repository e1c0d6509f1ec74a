// Texts that would run a script or ask another origin where they were taken for HTML, Markdown, a
// template or a part of an attribute: what a model, a name or an error might say (after OWASP's
// filter evasion cheat sheet and known mutation XSS). Every script among them calls `pwned`.

/** Nobody's: a request to it is one too many. */
export const FOREIGN = "https://foreign.invalid";

export const xssPayloads: string[] = [
  // elements that run at once
  "<script>pwned()</script>",
  `<script src="${FOREIGN}/x.js"></script>`,
  "<ScRiPt >pwned()</sCrIpT>",
  "<img src=x onerror=pwned()>",
  `<img src="${FOREIGN}/pixel.png">`,
  "<svg onload=pwned()>",
  "<svg><script>pwned()</script></svg>",
  "<svg><animate onbegin=pwned() attributeName=x dur=1s>",
  "<body onload=pwned()>",
  '<iframe srcdoc="<script>parent.pwned()</script>"></iframe>',
  `<iframe src="${FOREIGN}/"></iframe>`,
  '<iframe src="javascript:parent.pwned()"></iframe>',
  "<video><source onerror=pwned()></video>",
  "<audio src=x onerror=pwned()></audio>",
  "<details open ontoggle=pwned()>x</details>",
  "<input autofocus onfocus=pwned()>",
  "<marquee onstart=pwned()>x</marquee>",
  '<object data="data:text/html,<script>parent.pwned()</script>"></object>',
  `<embed src="${FOREIGN}/x.swf">`,
  // what leads elsewhere
  `<link rel=stylesheet href="${FOREIGN}/x.css">`,
  `<style>@import "${FOREIGN}/x.css";*{background:url(${FOREIGN}/x.png)}</style>`,
  `<div style="background:url(${FOREIGN}/x.png)">x</div>`,
  `<base href="${FOREIGN}/">`,
  `<meta http-equiv=refresh content="0;url=${FOREIGN}/">`,
  `<form action="${FOREIGN}/"><input type=submit autofocus></form>`,
  `<a href="javascript:pwned()" ping="${FOREIGN}/">x</a>`,
  // out of an attribute, an element, a comment, a data block
  '" onmouseover="pwned()" autofocus onfocus="pwned()" x="',
  "' onerror='pwned()' src='x",
  '"><img src=x onerror=pwned()>',
  "</title></textarea></style></script><script>pwned()</script>",
  "--><script>pwned()</script><!--",
  "]]><script>pwned()</script><![CDATA[",
  // Markdown
  "[click](javascript:pwned())",
  `![picture](${FOREIGN}/x.png)`,
  '[x]: javascript:pwned()\n[x]\n\n<img src=x onerror="pwned()">',
  // templates and encodings
  "{{constructor.constructor('pwned()')()}}${pwned()}<%= pwned() %>",
  "&lt;script&gt;pwned()&lt;/script&gt;",
  "\u202e<img src=x onerror=pwned()>\u0000\u2028",
  // what a sanitiser turns into something else
  '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=pwned()&gt;">',
  '<noscript><p title="</noscript><img src=x onerror=pwned()>">',
];
