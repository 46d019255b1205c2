"""The report's style sheet: one column, system fonts, light or dark as the reader's system has it."""

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fcfbf8; --card: #ffffff; --ink: #1e2022; --muted: #5d6167; --line: #e2dfd7;
  --average: #1f5c99; --raw: #b06a1c; --wrong: #9b2c22; --wrong-back: #f8e1dc; --gap-back: #ece9e1;
  --shade: rgb(30 32 34 / .42);
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #17191b; --card: #1e2123; --ink: #e7e5df; --muted: #a3a59f; --line: #36393c;
    --average: #82b5ec; --raw: #e2a765; --wrong: #f2a399; --wrong-back: #4a2824; --gap-back: #2d3033;
    --shade: rgb(231 229 223 / .5);
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "PingFang SC", "Microsoft YaHei",
    "Noto Sans CJK SC", sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: break-word; -webkit-text-size-adjust: 100%;
}
main, header, footer { max-width: 62rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2.5rem; }
h1 { font-size: 1.9rem; line-height: 1.2; font-weight: 650; margin: .1rem 0 .6rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; font-weight: 650; margin: 0 0 .35rem; }
h3 { font-size: 1rem; font-weight: 600; margin: 1.4rem 0 .3rem; }
section { margin-top: 2.6rem; padding-top: 1.3rem; border-top: 1px solid var(--line); }
p { margin: .3rem 0 .8rem; max-width: 44rem; }
.kicker, .note, footer, figcaption, .absent { color: var(--muted); }
.kicker { margin: 0; font-size: .9rem; }
.note, figcaption, footer { font-size: .9rem; }
.absent { font-style: italic; }
.warning { color: var(--wrong); font-weight: 600; }
a { color: var(--average); }
code { font: .88em ui-monospace, "SF Mono", Consolas, "Liberation Mono", monospace; overflow-wrap: anywhere; }

.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(18rem, 100%), 1fr));
  gap: 1rem; margin: 1rem 0; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  padding: 1rem 1.15rem; min-width: 0; }
.card h3 { margin: 0; color: var(--muted); font-weight: 600; }
.card .big { font-size: 2.5rem; line-height: 1.15; font-weight: 650; margin: .15rem 0 0; }
.card .big small { font-size: 1rem; font-weight: 500; color: var(--muted); }
.card p { margin: .25rem 0; font-size: .92rem; }
.range { position: relative; height: 1.1rem; margin: .45rem 0 .1rem; border-bottom: 1px solid var(--line); }
.range i { position: absolute; top: .45rem; height: .25rem; border-radius: .2rem;
  background: var(--average); opacity: .45; }
.range b { position: absolute; top: .2rem; width: .2rem; margin-left: -.1rem; height: .75rem;
  border-radius: .1rem;
  background: var(--average); }
.ends { display: flex; justify-content: space-between; font-size: .78rem; color: var(--muted); }

.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(21rem, 100%), 1fr));
  gap: 1rem 1.5rem; }
figure { margin: .6rem 0; min-width: 0; max-width: 31rem; }
svg.chart { display: block; width: 100%; height: auto; }
svg.chart text { font-family: inherit !important; }
.key { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; padding: 0; margin: .4rem 0; list-style: none;
  font-size: .9rem; }
.key li::before { content: ""; display: inline-block; width: 1.6rem; margin-right: .45rem;
  vertical-align: .25em;
  border-top: .17rem solid var(--average); }
.key .raw::before { border-top: .17rem dashed var(--raw); }
.key .train::before { border-top: .12rem dotted var(--muted); }

dl.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr));
  gap: .8rem 1.2rem; margin: .8rem 0; }
dl.facts dt { font-size: .85rem; color: var(--muted); }
dl.particulars { display: grid; grid-template-columns: minmax(9rem, max-content) minmax(0, 1fr);
  gap: .25rem 1.2rem; margin: .8rem 0; }
dl.particulars dt { color: var(--muted); }
dl.particulars dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  dl.particulars { grid-template-columns: minmax(0, 1fr); gap: 0; }
  dl.particulars dd { margin-bottom: .45rem; }
}
dl.facts dd { margin: 0; font-size: 1.12rem; font-weight: 600; overflow-wrap: anywhere; }

/* A table wider than the screen scrolls by itself, and a shadow shows where it goes on: the paper-coloured covers
   move with the table and hide the shadows, which stay in place, where there is nothing more to see. */
.scroll { position: relative; container-type: inline-size; overflow-x: auto; -webkit-overflow-scrolling: touch;
  margin: .6rem 0;
  background:
    linear-gradient(to right, var(--paper) 45%, transparent) left / 3.2rem 100% no-repeat local,
    linear-gradient(to left, var(--paper) 45%, transparent) right / 3.2rem 100% no-repeat local,
    linear-gradient(to right, var(--shade), transparent) left / 1.4rem 100% no-repeat scroll,
    linear-gradient(to left, var(--shade), transparent) right / 1.4rem 100% no-repeat scroll; }
.scroll:focus-visible { outline: 2px solid var(--average); outline-offset: 2px; }
table { border-collapse: collapse; font-size: .95rem; }
caption { text-align: left; color: var(--muted); font-size: .9rem; padding-bottom: .3rem; }
caption span { position: sticky; left: 0; display: block; max-width: 100cqw; }
th, td { padding: .28rem .9rem .28rem 0; text-align: left; vertical-align: baseline;
  border-bottom: 1px solid var(--line); }
th { font-weight: 600; }
thead th { color: var(--muted); font-size: .85rem; white-space: nowrap; }
.n { text-align: right; white-space: nowrap; }
.wide { width: 100%; }
.wide th[scope="row"], .grid th[scope="row"] { white-space: nowrap; }
.bar { width: 34%; min-width: 6rem; }
.bar span { display: block; height: .6rem; min-width: 2px; border-radius: .15rem;
  background: var(--average); opacity: .75; }
td.han, th.han[scope="row"] { font-weight: 400; font-size: 1.3rem; line-height: 1.2; white-space: nowrap; }
.together { white-space: nowrap; }
td.context { font-size: 1.02rem; white-space: nowrap; }
td.context mark { background: var(--wrong-back); color: var(--wrong); border-radius: .15rem; padding: 0 .1rem; }
.grid td { text-align: right; padding: .2rem; }
.grid td div { padding: .1rem .6rem; border-radius: .25rem; }
.grid th { padding: .25rem .7rem .25rem 0; }
.grid thead th { text-align: right; padding: .25rem .8rem; }
.grid .best { font-weight: 700; outline: 2px solid var(--average); outline-offset: -2px; }

.utterances { list-style: none; padding: 0; margin: 0; }
.utterances li { padding: .7rem 0; border-bottom: 1px solid var(--line); }
.utterances .about { font-size: .88rem; color: var(--muted); overflow-wrap: anywhere; }
.pairs { display: flex; flex-wrap: wrap; row-gap: .5rem; margin-top: .25rem; }
.pairs span { display: grid; justify-items: center; grid-template-rows: 1.7rem 1.7rem .9rem; min-width: 1.6rem;
  padding: 0 .14rem; font-size: 1.18rem; line-height: 1.7rem; border-radius: .25rem; }
.pairs .S, .pairs .D, .pairs .I { background: var(--wrong-back); }
.pairs em { font-style: normal; }
.pairs .S em + em, .pairs .I em + em { color: var(--wrong); font-weight: 600; }
.pairs small { font-size: .62rem; line-height: .8rem; color: var(--wrong); }
.pairs .C em + em { color: var(--muted); }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap; }
details { margin: .6rem 0; }
summary { cursor: pointer; font-weight: 600; }
footer { margin-top: 3rem; padding-bottom: 3rem; border-top: 1px solid var(--line); padding-top: 1rem; }
@media (max-width: 40rem) { .fold { display: none; } }
@media print { .card, svg.chart, .utterances li { break-inside: avoid; } }
"""
