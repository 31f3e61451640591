/**
 * The page's looks. Series colours are Okabe and Ito's, which colour-blind people can tell apart;
 * markers, dashes and words carry the same meaning without them.
 */
export const STYLE = `
:root { color-scheme: light dark;
  --page: #f6f7f9; --card: #fff; --ink: #1b1f24; --soft: #57606a; --line: #d5dae0; --grid: #e6e9ed; --band: #f4f6f8;
  --good: #00694c; --good-back: #e2f4ee; --bad: #a33c00; --bad-back: #fdece2;
  --s0: #0072b2; --s1: #d55e00; --s2: #009e73; --s3: #cc79a7; --s4: #8a6d00; }
@media (prefers-color-scheme: dark) { :root {
  --page: #101418; --card: #181d23; --ink: #e8ebee; --soft: #a3adb8; --line: #343c46; --grid: #272e36; --band: #1d232a;
  --good: #4fd1a8; --good-back: #12302a; --bad: #ff9e66; --bad-back: #3a2115;
  --s0: #56b4e9; --s1: #ff8533; --s2: #1fc79a; --s3: #dd97bd; --s4: #f0e442; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 16px 48px; }
h1 { font-size: clamp(1.1rem, 5vw, 1.5rem); overflow-wrap: anywhere; line-height: 1.25; margin: 0; }
h2 { font-size: 1.15rem; margin: 0 0 .5rem; }
h3 { font-size: 1rem; margin: 0 0 .25rem; }
p { margin: 0 0 .5rem; overflow-wrap: anywhere; }
section, header { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 18px 20px; margin: 0 0 16px; }
header { display: grid; grid-template-columns: auto minmax(0, 1fr); gap: 6px 18px; align-items: center;
  border-left-width: 8px; }
header p { grid-column: 1 / -1; margin: 0; }
.pass { border-left-color: var(--good); } .fail { border-left-color: var(--bad); }
.badge { font-weight: 700; letter-spacing: .04em; padding: .1em .6em; border-radius: 6px;
  white-space: nowrap; border: 1px solid currentColor; }
header .badge { font-size: 1.4rem; }
.pass .badge, .badge.pass { color: var(--good); background: var(--good-back); }
.fail .badge, .badge.fail { color: var(--bad); background: var(--bad-back); }
.soft, figcaption { color: var(--soft); font-size: .9rem; }
.cause { border-left: 8px solid var(--bad); background: var(--bad-back); }
.cause .summary { font-size: 1.15rem; font-weight: 600; }
.cards { display: grid; gap: 16px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr));
  margin: 0 0 16px; }
.cards section { margin: 0; }
.cards h2 { display: flex; justify-content: space-between; align-items: center; gap: 8px; }
.cards .badge { font-size: .85rem; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 2px 14px; margin: 0; font-size: .95rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
.scroll:focus-visible { outline: 2px solid var(--s0); outline-offset: 2px; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; width: 100%; }
th, td { padding: 4px 10px; text-align: right; border-bottom: 1px solid var(--grid); white-space: nowrap; }
thead th { color: var(--soft); font-weight: 600; border-bottom: 1px solid var(--line); vertical-align: bottom; }
th:first-child, td.text, th.text { text-align: left; }
td.text { white-space: normal; overflow-wrap: anywhere; min-width: 12em; }
tbody { border-bottom: 1px solid var(--line); } th[scope="row"] { font-weight: 500; }
th[scope="rowgroup"] { vertical-align: top; }
td.bad { color: var(--bad); font-weight: 700; }
td.ok { color: var(--good); }
tr.jump > * { background: var(--bad-back); }
td .logit { color: var(--soft); font-weight: 400; margin-left: .6em; }
.tops { display: grid; gap: 18px 28px; grid-template-columns: repeat(auto-fit, minmax(min(100%, var(--least)), 1fr)); }
.tops table { width: auto; min-width: 100%; }
figure { margin: 0; } figcaption { margin: 4px 0 10px; }
svg { display: block; width: 100%; height: auto; font: 12px system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif; }
svg text { fill: var(--soft); } svg .strong { fill: var(--ink); font-weight: 600; }
svg .warn { fill: var(--bad); font-weight: 600; }
.wide { min-width: 760px; }
.panels { display: grid; gap: 20px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 290px), 1fr)); }
.panels h3 { border-left: 6px solid currentColor; padding-left: 8px; } .panels h3 span { color: var(--ink); }
.panels figure { max-width: 480px; } .panels > p:nth-child(n + 3) { grid-column: 1 / -1; }
dt { white-space: nowrap; } .whole { white-space: nowrap; }
.band { fill: var(--band); }
.frame { fill: none; stroke: var(--line); } .grid { stroke: var(--grid); }
.bound { stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 7 4; }
.diagonal { stroke: var(--soft); stroke-width: 1; }
.at { stroke: var(--bad); stroke-width: 1.5; stroke-dasharray: 2 3; }
.ring { fill: none; stroke: var(--bad); stroke-width: 2; }
.join { fill: none; stroke: currentColor; stroke-width: 1.5; }
.mark-fill { fill: var(--card); stroke: currentColor; stroke-width: 1.6; }
.dots { fill: none; stroke: currentColor; stroke-width: 4; stroke-linecap: round; opacity: .7; }
.crosses { fill: none; stroke: currentColor; stroke-width: 1.4; }
.s0 { color: var(--s0); } .s1 { color: var(--s1); } .s2 { color: var(--s2); } .s3 { color: var(--s3); } .s4 { color: var(--s4); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; list-style: none; padding: 0; margin: 0 0 6px; font-size: .9rem; }
.legend li { display: flex; align-items: center; gap: 6px; }
.legend svg { width: 38px; height: 14px; flex: none; }
.legend span { color: var(--ink); }
ul.plain { margin: 0 0 .5rem; padding-left: 1.2em; }
summary { cursor: pointer; font-weight: 600; }
details > :not(summary) { margin-top: 10px; }
@media (max-width: 480px) { main { padding: 10px 8px 24px; } section, header { padding: 14px 12px; }
  dl { grid-template-columns: 1fr; } dd { margin-bottom: 6px; } }
@media print { :root { color-scheme: light; font-size: 11px;
    --page: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #999; --grid: #ddd; --band: #f3f3f3;
    --good: #00543d; --good-back: #fff; --bad: #8a3300; --bad-back: #fff;
    --s0: #0072b2; --s1: #d55e00; --s2: #009e73; --s3: #cc79a7; --s4: #8a6d00; }
  main { max-width: none; padding: 0; } 
  section, header { padding: 10px 12px; }
  figure, tr, .cause, .tops > div { break-inside: avoid; } h2 { break-after: avoid; }
  .scroll { overflow: visible; } .wide { min-width: 0; }
  th, td { padding: 2px 6px; }
  .panels { grid-template-columns: repeat(3, 1fr); } .panels figure { max-width: 220px; }
  details::details-content { content-visibility: visible; height: auto; } }
`;
