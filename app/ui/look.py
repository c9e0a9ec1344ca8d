"""The style sheet: one accent colour, plain type, text that wraps on a phone."""

from __future__ import annotations

CSS = """<style>
[data-testid="stMainBlockContainer"] { max-width: 47rem; padding-top: 4.5rem; }
[data-testid="stBottomBlockContainer"] { max-width: 47rem;
  padding-bottom: 1.1rem; padding-top: .4rem; }
[data-testid="stAppDeployButton"], [data-testid="stMainMenu"], footer { display: none; }
[data-testid="stHtml"] a { color: #1f5f8b; text-decoration-thickness: 1px;
  text-underline-offset: 2px; }
[class*="st-key-redo-"] { margin-top: -.9rem; margin-bottom: -.4rem; }
[class*="st-key-redo-"] button { min-height: 0; padding: 0; color: #5b6870; }
[class*="st-key-redo-"] button p { font-size: .8rem; }
.st-key-controls { row-gap: 0; }
.st-key-controls button { min-height: 2rem; padding-top: 0; padding-bottom: 0; }
h1 { font-size: 1.75rem !important; font-weight: 600 !important; letter-spacing: -.01em; }
h2 { font-size: 1.3rem !important; font-weight: 600 !important; }
h3 { font-size: 1.08rem !important; font-weight: 600 !important; }
.turn { margin: .2rem 0 .5rem; }
.turn .who, .eyebrow { font-size: .78rem; color: #5b6870; letter-spacing: .03em;
  margin-bottom: .15rem; }
.turn .words, .words { white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.55; }
.turn.candidate { border-left: 3px solid #c9d6df; padding-left: .9rem; margin-left: .1rem; }
.turn.act .words { color: #5b6870; }
.quiet { color: #5b6870; }
.small { font-size: .88rem; }
.clock { font-variant-numeric: tabular-nums; font-size: .95rem; color: #3c4a52; }
.big { font-size: 2.6rem; font-weight: 600; line-height: 1.1; font-variant-numeric: tabular-nums; }
.big .of { font-size: 1.05rem; font-weight: 400; color: #5b6870; }
.verdict { font-size: 1.25rem; margin: .1rem 0 .3rem; }
.levels { display: flex; flex-wrap: wrap; gap: .2rem 1.6rem; margin: .4rem 0 0; }
.levels b { font-weight: 600; }
.dim { display: flex; justify-content: space-between; align-items: baseline; gap: 1rem;
       border-top: 1px solid #d9dcd6; padding-top: .9rem; margin-top: .6rem; }
.dim .title { font-size: 1.2rem; font-weight: 600; }
.dim .score { font-size: 1.2rem; font-weight: 600; font-variant-numeric: tabular-nums;
  white-space: nowrap; }
.dim .score small, .none { font-size: .88rem; font-weight: 400; color: #5b6870; }
.none { border: 1px dashed #a8b1b6; border-radius: 3px; padding: 0 .45rem; }
.review p { margin: .55rem 0; line-height: 1.55; overflow-wrap: anywhere; }
.review ul { margin: .2rem 0 .4rem; padding-left: 1.1rem; }
.review li { margin: .3rem 0; line-height: 1.5; overflow-wrap: anywhere; }
.review summary { cursor: pointer; color: #2f5d7c; margin: .3rem 0; }
.review q, .quote { color: #33424b; font-style: italic; quotes: none; }
.tag { font-size: .76rem; color: #47555d; background: #eceee9; border-radius: 3px;
  padding: .05rem .38rem; white-space: nowrap; }
.tag.risk { background: #e0ebf2; color: #1d4a68; }
mark { border-radius: 2px; padding: 0 .1rem; color: #15232b; }
mark.met { background: #cfe6d6; border-bottom: 2px solid #2b6e45; }
mark.partial { background: #f6ebc4; border-bottom: 2px dotted #7a5b00; }
mark.error { background: #f6d6d0; border-bottom: 2px solid #9c2b1c; }
.rail { display: flex; flex-wrap: wrap; gap: .25rem .9rem; font-size: .86rem; color: #7a868c; }
.rail .been { color: #1f2a30; }
.rail .now { color: #2f5d7c; font-weight: 600; border-bottom: 2px solid #2f5d7c; }
table.plain { border-collapse: collapse; font-size: .93rem; font-variant-numeric: tabular-nums; }
table.plain th { text-align: left; font-weight: 600; color: #47555d; }
table.plain th, table.plain td { padding: .28rem 1.1rem .28rem 0;
  border-bottom: 1px solid #e4e6e1; }
table.compared { width: 100%; }
table.compared tr.above td { border-bottom: none; padding-bottom: 0; }
.waiting { color: #5b6870; letter-spacing: .2em; }
@media (max-width: 640px) {
  [data-testid="stMainBlockContainer"] { padding: 4rem 1rem 1rem; }
  [data-testid="stBottomBlockContainer"] { padding-left: 1rem; padding-right: 1rem; }
  .turn.candidate { padding-left: .7rem; }
  table.plain th, table.plain td { padding-right: .6rem; }
}
</style>"""
