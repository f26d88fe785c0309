"""The page's one style sheet: light, dark, narrow and printed. It names no file or address."""

from __future__ import annotations

# Text colours keep a contrast of at least 4.5 against both grounds, and `ink` against the deepest
# matrix cell; a test computes it from these lines.
LIGHT = """
  --ground: #ffffff; --panel: #f6f7f9; --ink: #1b2129; --quiet: #59636e; --rule: #dde2e8;
  --first: #1f5fa8; --second: #0f766e; --alarm: #9a4a00; --fault: #b3261e;
  --right: 37 99 168; --wrong: 217 119 6;
"""

DARK = """
  --ground: #12161b; --panel: #1a2027; --ink: #e4e8ed; --quiet: #9aa6b2; --rule: #2e3741;
  --first: #7ab3ef; --second: #5cc8bb; --alarm: #e8a25c; --fault: #ff8f86;
  --right: 52 120 196; --wrong: 205 108 14;
"""

_BASE = """
*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-padding-top: 1rem; }
body {
  margin: 0 auto; padding: 2.5rem clamp(1rem, 4vw, 3rem) 4rem; max-width: 76rem;
  background: var(--ground); color: var(--ink);
  font: 400 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial,
    "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC",
    "WenQuanYi Micro Hei", sans-serif;
  overflow-wrap: anywhere;
}
code {
  font: .875em ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono",
    "Noto Sans Mono CJK SC", monospace;
}
h1, h2, h3, p, ul, ol, dl, dd, figure { margin: 0; padding: 0; }
ul, ol { list-style: none; }
small { font-size: .8125rem; font-weight: 400; color: var(--quiet); }
.quiet { color: var(--quiet); font-size: .875rem; }
h1 {
  font-size: clamp(1.6rem, 4vw, 2.25rem); line-height: 1.2; font-weight: 650;
  letter-spacing: -.015em;
}
h2 { font-size: 1.125rem; line-height: 1.3; font-weight: 650; margin-bottom: 1rem; }
h3 { font-size: .875rem; font-weight: 600; }
a { color: var(--first); text-underline-offset: .2em; }
:focus-visible { outline: 2px solid var(--first); outline-offset: 2px; }
header .kind { color: var(--quiet); font-size: .875rem; margin-bottom: .35rem; }
header .summary { color: var(--quiet); margin-top: .5rem; max-width: 60rem; }
nav { margin-top: 1.25rem; font-size: .875rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; }
section, footer { margin-top: 2.25rem; padding-top: 1.5rem; border-top: 1px solid var(--rule); }
"""

_FIGURES = """
.figures {
  display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr));
}
.figure { background: var(--panel); border-radius: .5rem; padding: 1rem 1.1rem; }
.figure .value {
  font-size: 2.5rem; line-height: 1.2; font-weight: 600; letter-spacing: -.02em;
  font-variant-numeric: tabular-nums; margin-bottom: .4rem;
}
.figure .quiet {
  display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 1rem; margin-top: .5rem;
}
.figures + *, .notes + * { margin-top: 1.25rem; }
.notes { border-left: 3px solid var(--second); padding: .1rem 0 .1rem .9rem; }
.notes li + li { margin-top: .25rem; }
.weakest { display: flex; flex-wrap: wrap; gap: .1rem .75rem; margin-bottom: 1rem; }
.weakest .quiet { white-space: nowrap; }
.weakest ul { display: flex; flex-wrap: wrap; gap: .1rem 1.25rem; }
.badge {
  display: inline-block; font-size: .75rem; line-height: 1.4; font-weight: 500; white-space: nowrap;
  padding: 0 .4rem; border: 1px solid currentColor; border-radius: .25rem; color: var(--alarm);
}
.badge.fault { color: var(--fault); }
.badge.note { color: var(--quiet); }
"""

_TABLES = """
.scroller { overflow-x: auto; container-type: inline-size; }
.scroller.tall { max-height: 40rem; overflow-y: auto; border-bottom: 1px solid var(--rule); }
table { border-collapse: separate; border-spacing: 0; width: 100%; font-size: .875rem; }
caption { text-align: left; color: var(--quiet); font-size: .875rem; padding-bottom: .5rem; }
caption span { display: block; position: sticky; left: 0; max-width: min(100cqi, 48rem); }
.measures { max-width: 44rem; }
th, td {
  padding: .35rem 0 .35rem 1rem; text-align: right; vertical-align: baseline;
  border-bottom: 1px solid var(--rule); font-variant-numeric: tabular-nums; white-space: nowrap;
}
th:first-child, td:first-child { text-align: left; padding-left: 0; }
thead th { color: var(--quiet); font-weight: 500; vertical-align: bottom; }
tbody th { font-weight: 500; white-space: normal; min-width: 6.5rem; }
tfoot th { font-weight: 500; min-width: 6.5rem; white-space: normal; }
tfoot tr:first-child > * { border-top: 1px solid var(--quiet); }
.tall thead th { position: sticky; top: 0; background: var(--ground); z-index: 1; }
.tall tfoot { position: sticky; bottom: 0; background: var(--ground); z-index: 1; }
tr.weak > th bdi, tr.weak .scored { color: var(--alarm); font-weight: 600; }
.scored { display: flex; justify-content: flex-end; align-items: center; gap: .75rem; }
.scored > span { min-width: 3.1em; }
.bar { width: clamp(4rem, 16vw, 12rem); height: .5rem; background: var(--rule); }
.bar rect { fill: var(--first); }
tr.weak .bar rect { fill: var(--alarm); }
.matrix table { width: auto; font-size: .8125rem; border-spacing: 1px; }
.matrix th, .matrix td { border: 0; padding: .2rem .3rem; min-width: 2.1rem; text-align: center; }
.matrix td:not([class]) { background: var(--panel); }
.matrix .right { background: rgb(var(--right) / var(--depth)); font-weight: 600; }
.matrix .wrong { background: rgb(var(--wrong) / var(--depth)); }
.matrix .total { color: var(--quiet); padding-left: .75rem; text-align: right; background: none; }
.matrix tbody th { text-align: right; white-space: nowrap; min-width: 0; }
.matrix tbody th bdi, .matrix thead bdi {
  display: inline-block; max-inline-size: 14rem; vertical-align: bottom;
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
}
.matrix thead th:first-child, .matrix thead th:last-child { font-size: .75rem; text-align: right; }
.matrix thead bdi { writing-mode: vertical-rl; max-inline-size: 10rem; line-height: 1.2; }
.matrix thead .turned { transform: rotate(180deg); }
.dense table { font-size: .6875rem; }
.dense th, .dense td { min-width: 1.75rem; padding: .25rem .1rem; }
.dense tbody th { padding-right: .4rem; }
.dense tbody th bdi { max-inline-size: 10rem; }
.dense thead bdi { max-inline-size: 9rem; }
.dense .total { padding-left: .4rem; }
.pairs td:nth-child(2) { text-align: left; white-space: normal; min-width: 6.5rem; }
.pairs thead th:nth-child(2) { text-align: left; }
.beside {
  display: grid; gap: 1.5rem 3rem; grid-template-columns: minmax(0, 1fr); align-items: start;
}
"""

_CHARTS = """
svg { display: block; }
svg text { fill: var(--quiet); font-size: 12px; font-variant-numeric: tabular-nums; }
svg text.level { dominant-baseline: central; }
figcaption { color: var(--quiet); font-size: .875rem; margin-top: .6rem; max-width: 60rem; }
figcaption strong { color: var(--ink); font-weight: 600; }
.interval .track { fill: var(--rule); }
.interval .band { fill: var(--first); opacity: .45; }
.interval .value { stroke: var(--first); stroke-width: 2.5; }
.heat { width: 100%; max-width: 22rem; shape-rendering: crispEdges; }
.heat .ground { fill: var(--panel); }
.heat path { stroke-width: 1; fill: none; }
.heat .right { stroke: var(--first); }
.heat .wrong { stroke: var(--alarm); }
.grid { stroke: var(--rule); stroke-width: 1; }
.reliability { width: 100%; max-width: 24rem; }
.reliability .bin { fill: var(--first); opacity: .25; }
.reliability .tally { fill: var(--quiet); opacity: .5; }
.reliability .agreement { stroke: var(--quiet); stroke-dasharray: 4 4; }
.reliability .gap { stroke: var(--alarm); stroke-width: 2; }
.reliability .dot { fill: var(--first); stroke: var(--ground); }
.curve { width: calc(100% - 6rem); margin: 0 3rem; overflow: visible; }
.curve polyline { fill: none; stroke-linejoin: round; }
.curve .raw { stroke: var(--first); stroke-width: 1; opacity: .3; }
.curve .loss { stroke: var(--first); stroke-width: 2; }
.curve .check { stroke: var(--second); stroke-width: 1.5; }
.curve .loss-dot { fill: var(--first); }
.curve .check-dot { fill: var(--second); stroke: var(--ground); }
.curve text.loss-text { fill: var(--first); }
.curve text.check-text { fill: var(--second); }
.curve .best { stroke: var(--quiet); stroke-dasharray: 3 3; }
.curve text.best-text { fill: var(--ink); }
.curve .plan-0, .plan-0-key::before { --line: var(--first); }
.curve .plan-1, .plan-1-key::before { --line: var(--second); }
.curve .plan-2, .plan-2-key::before { --line: var(--alarm); }
.curve .plan-3, .plan-3-key::before { --line: var(--fault); }
.curve .plan-4, .plan-4-key::before { --line: var(--ink); }
.curve .plan-5, .plan-5-key::before { --line: var(--quiet); }
.curve [class^="plan-"] { stroke: var(--line); stroke-width: 2; }
.curve circle[class^="plan-"] { fill: var(--line); stroke: var(--ground); }
.curve .hoped { stroke-dasharray: 5 4; opacity: .7; }
.curve .whisker { stroke-width: 1; opacity: .55; }
.curve .tried { fill: var(--first); opacity: .75; }
.curve .broken { fill: none; stroke: var(--first); stroke-width: 1.5; }
.curve .won { opacity: 1; stroke: var(--second); stroke-width: 5; }
.scatters {
  display: grid; gap: 1.5rem; margin: 1rem 0;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr));
}
.key { display: inline-block; margin-right: 1.25rem; }
.key::before {
  content: ""; display: inline-block; width: 1.4rem; margin-right: .45rem; vertical-align: .28em;
  border-top: 2px solid var(--first);
}
.key[class*="plan-"]::before { border-color: var(--line); }
.raw-key::before { opacity: .35; }
.check-key::before { border-color: var(--second); }
"""

_WORDS = """
.mistakes > li {
  display: grid; gap: .35rem 2rem; padding: .8rem 0; border-bottom: 1px solid var(--rule);
  grid-template-columns: minmax(0, 1fr); break-inside: avoid;
}
.mistakes dl {
  display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; align-content: start; font-size: .875rem;
}
.mistakes dl div { display: flex; gap: .45rem; }
.mistakes dl div:nth-child(-n + 2) { flex-basis: 100%; }
.mistakes dl div:nth-child(-n + 2) dt { flex: 0 0 4.5rem; }
dt { color: var(--quiet); }
.written > li {
  display: grid; gap: .35rem 2rem; padding: .8rem 0; border-bottom: 1px solid var(--rule);
  grid-template-columns: minmax(0, 1fr); align-items: start; font-size: .9375rem;
}
.written h3 { margin-bottom: .2rem; }
.written .text + .text { margin-top: .5rem; }
.written > li > p { grid-column: 1 / -1; font-size: .8125rem; }
.chip { display: inline-block; background: var(--panel); border-radius: .25rem; padding: 0 .4rem; }
.chip + .chip { margin-left: .3rem; }
.text p { white-space: pre-wrap; }
.clamped { display: flex; flex-direction: column-reverse; align-items: flex-start; }
.clamped details:not([open]) + p {
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; line-clamp: 3;
  overflow: hidden;
}
summary { cursor: pointer; color: var(--first); font-size: .875rem; }
.facts dl {
  display: flex; flex-wrap: wrap; gap: .75rem 2.25rem; margin-top: 1rem; font-size: .9375rem;
}
.facts dt { font-size: .8125rem; }
.facts dd { font-variant-numeric: tabular-nums; }
.findings li {
  display: grid; grid-template-columns: 5.5rem minmax(0, 1fr); gap: 0 .75rem; padding: .5rem 0;
}
.findings .badge { justify-self: start; align-self: start; margin-top: .2rem; }
.findings p { grid-column: 2; }
.provenance {
  display: grid; gap: 1.5rem 3rem; grid-template-columns: minmax(0, 1fr); font-size: .875rem;
}
.provenance h3 { margin-bottom: .35rem; }
.provenance dl div {
  display: grid; grid-template-columns: 8rem minmax(0, 1fr); gap: 0 .75rem; padding: .1rem 0;
}
"""

_SIZES = """
@media (min-width: 52rem), print {
  .beside { grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); }
  .beside.confused { grid-template-columns: minmax(0, 1fr) minmax(0, 30%); }
  .mistakes > li { grid-template-columns: minmax(0, 1fr) minmax(0, 26rem); }
  .written > li { grid-template-columns: repeat(3, minmax(0, 1fr)); }
  .provenance { grid-template-columns: repeat(2, minmax(0, 1fr)); }
}
@media (max-width: 40rem) {
  body { padding-top: 1.5rem; }
  th, td { padding-left: .6rem; }
  table { font-size: .8125rem; }
  thead th { font-size: .75rem; }
  .scored { flex-direction: column-reverse; align-items: flex-end; gap: .15rem; }
  .bar { width: 3rem; height: .25rem; }
  th:first-child { position: sticky; left: 0; background: var(--ground); }
  .tall thead th:first-child { z-index: 2; }
  .matrix tbody th bdi { max-inline-size: 7rem; }
  .findings li { grid-template-columns: auto minmax(0, 1fr); }
  .findings p { grid-column: 1 / -1; }
}
@media print {
  @page { margin: 16mm 14mm; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { padding: 0; max-width: none; font-size: 10pt; }
  nav, .clamped details { display: none; }
  .clamped details:not([open]) + p { display: block; }
  .scroller, .scroller.tall { overflow: visible; max-height: none; }
  .tall thead th, .tall tfoot { position: static; }
  tfoot { display: table-row-group; }
  .matrix table { font-size: 7pt; }
  .matrix th, .matrix td { min-width: 0; padding: 1pt 2pt; }
  .beside table { font-size: 8pt; }
  .beside th, .beside td { padding-left: 4pt; }
  h2, h3, caption { break-after: avoid; }
  figure, tr, .figure, .findings li, .provenance > div { break-inside: avoid; }
}
"""

STYLE = (
    f":root {{ color-scheme: light dark; {LIGHT} }}\n"
    f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {DARK} }} }}\n"
    f"{_BASE}{_FIGURES}{_TABLES}{_CHARTS}{_WORDS}{_SIZES}"
)
