"""The page's jinja2 template. It is a Python string so that the stage's code hash covers it."""
# ruff: noqa: E501 (a line of the page is a line here)

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The DeepSeek-R1 recipe, this run</title>
<style>
:root { color-scheme: light dark; --page: #ffffff; --card: #f6f8fa; --line: #d9dee6; --yes: #16803a; --part: #946200; --no: #b3341f; --off: #5a6473;
  --mark: #ffe08a; --marked: #3d2c00; --zh: #a3371c; --en: #1a5fb4; {{ light }} }
@media (prefers-color-scheme: dark) { :root { --page: #12161d; --card: #1a2029; --line: #323a47; --yes: #5cc47d; --part: #e5b64c; --no: #f08b76; --off: #a4afbd;
  --mark: #6b5200; --marked: #fff0c2; --zh: #f2a58f; --en: #8fc0ff; {{ dark }} } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "Noto Sans", "Noto Sans CJK SC", sans-serif; }
main { max-width: 1200px; margin: 0 auto; padding: 28px 16px 60px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 6px; } h2 { font-size: 21px; margin: 44px 0 8px; } h3 { font-size: 16px; margin: 26px 0 6px; }
p { margin: 6px 0 12px; max-width: 85ch; } .faint, figcaption, .stage-name { color: var(--muted); }
nav a { margin-right: 14px; } a { color: var(--en); }
.findings { list-style: none; margin: 12px 0; padding: 0; display: grid; gap: 8px; }
.findings li { display: grid; grid-template-columns: 118px 1fr; gap: 14px; background: var(--card); border-radius: 8px; padding: 10px 14px; }
.verdict { font-weight: 650; font-size: 13.5px; } .verdict::before { display: inline-block; width: 1.3em; }
.shown .verdict, .not-seen .verdict { color: var(--yes); } .partly-shown .verdict { color: var(--part); }
.not-shown .verdict, .seen .verdict { color: var(--no); } .not-in-this-run .verdict { color: var(--off); }
.shown .verdict::before, .not-seen .verdict::before { content: "●"; } .partly-shown .verdict::before { content: "◐"; }
.not-shown .verdict::before { content: "○"; } .seen .verdict::before { content: "▲"; } .not-in-this-run .verdict::before { content: "–"; }
.findings strong { display: block; } .findings span.text { font-size: 14px; color: var(--muted); }
.scroll { overflow-x: auto; } .scroll:focus-visible { outline: 2px solid var(--en); }
table { border-collapse: collapse; font-size: 12.5px; font-variant-numeric: tabular-nums; } .small { font-size: 13px; max-width: 110ch; }
th, td { padding: 5px 3.5px; min-width: 40px; text-align: right; border-bottom: 1px solid var(--line); vertical-align: top; } thead th { font-weight: 600; font-size: 12px; line-height: 1.3; vertical-align: bottom; }
th.model { text-align: left; min-width: 126px; max-width: 140px; position: sticky; left: 0; background: var(--page); } th.group { text-align: center; border-bottom: 2px solid var(--line); }
td.theirs, th.theirs { color: var(--muted); } .first { border-left: 2px solid var(--line); padding-left: 8px; } td small { display: block; white-space: nowrap; color: var(--muted); font-size: 11px; }
.dot { display: inline-block; width: 10px; height: 10px; border-radius: 5px; margin-right: 7px; } .stage-name { font-weight: 400; font-size: 12px; margin-left: 17px; display: block; }
.figures { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 26px 30px; } .wide { grid-column: 1 / -1; }
figure { margin: 0; min-width: 0; } figure h3 { margin: 0 0 4px; } figure svg { width: 100%; height: auto; display: block; } figcaption { font-size: 13px; margin-top: 4px; }
.funnel { margin-bottom: 26px; align-items: start; } .funnel table { margin-top: 28px; } .funnel th:first-child, .funnel th:last-child, .funnel td:last-child { text-align: left; font-weight: 400; } .funnel td, .funnel th { padding: 3px 7px; } .funnel tr:first-child th[scope=row], .funnel tr:last-child th[scope=row], .funnel thead th { font-weight: 600; }
.verdict small { display: block; font-weight: 600; color: var(--part); margin-left: 1.45em; } .findings em { font-style: normal; color: var(--part); } .verdict small.contaminated { color: var(--no); } .findings em.wrong { color: var(--no); font-weight: 400; }
.prompt-line { margin-top: 16px; }
.answers { display: grid; grid-template-columns: repeat(auto-fit, minmax(240px, 1fr)); gap: 10px; }
.answer { background: var(--card); border-radius: 8px; padding: 9px 12px; min-width: 0; } .answer header { font-size: 12.5px; color: var(--muted); margin-bottom: 4px; }
.answer pre { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; font: 13px/1.6 ui-monospace, "DejaVu Sans Mono", "Noto Sans Mono CJK SC", monospace; }
.answer i { color: var(--muted); font-style: normal; font-size: 11.5px; } .en { color: var(--en); } .zh { color: var(--zh); } mark { background: var(--mark); color: var(--marked) !important; border-radius: 3px; padding: 0 3px; font-weight: 600; }
.right { color: var(--yes); font-weight: 600; } .wrong { color: var(--no); font-weight: 600; } .prompt { font-weight: 600; }
.dag { min-width: 940px; width: 100%; height: auto; } .dag .edge { fill: none; stroke: var(--muted); stroke-width: 1.3; marker-end: url(#dag-tip); } .dag .tip { fill: var(--muted); }
.dag rect { fill: var(--card); stroke-width: 1.6; stroke: var(--base); } .dag .rl rect { stroke: var(--zero); } .dag .sft rect { stroke: var(--cold_sft); } .dag .data rect { stroke: var(--align); }
.dag text { text-anchor: middle; fill: var(--ink); font: 600 13px system-ui, sans-serif; } .dag text.stage { font: 12px ui-monospace, monospace; fill: var(--muted); }
.key b { font-weight: 600; } p code { white-space: nowrap; } code, pre.code { font: 13.5px/1.6 ui-monospace, "DejaVu Sans Mono", monospace; } pre.code { background: var(--card); padding: 12px 14px; border-radius: 8px; overflow-x: auto; }
details { margin: 10px 0; } summary { cursor: pointer; font-weight: 600; }
@media (max-width: 760px) { main { padding: 18px 14px 40px; } h1 { font-size: 24px; } .figures { grid-template-columns: minmax(0, 1fr); } .findings li { grid-template-columns: 1fr; gap: 2px; } .wide svg { min-width: 720px; } }
@media print { .findings li, figure, .answer { break-inside: avoid; } }
</style>
</head>
<body><main>
<h1>The DeepSeek-R1 recipe, this run</h1>
<p class="faint">Profile <code>{{ run.profile or "unnamed" }}</code>, seed {{ run.seed }}, {{ run.models | length }} models under one protocol.</p>
<nav class="faint"><a href="#shows">What it shows</a><a href="#results">Results</a><a href="#figures">Figures</a><a href="#curation">Curation</a><a href="#traces">Traces</a><a href="#pipeline">Pipeline</a><a href="#again">Run it again</a></nav>

<h2 id="shows">What this run shows</h2>
<p>{{ lead }}</p>
<ul class="findings">
{% for f in findings %}<li class="{{ f.verdict | replace(' ', '-') }}"><span class="verdict">{{ f.verdict }}{% if f.mark %}<small class="{{ f.mark | replace(' ', '-') }}">{{ f.mark }}</small>{% endif %}</span><div><strong>{{ f.claim }}</strong><span class="text">{{ f.text }}{% if f.caution %} <em{% if f.mark == "contaminated" %} class="wrong"{% endif %}>{{ f.caution }}</em>{% endif %}</span></div></li>
{% endfor %}</ul>
<p class="faint">Shown: the 95% interval clears zero (where the claim is a difference) and the size reaches this project's goal. Partly shown: only part of that holds. Not shown: at this scale these numbers don't support it. Brackets hold 95% intervals.</p>

<h2 id="results">Results</h2>
<p>{{ note }}</p>
<div class="scroll" tabindex="0" role="region" aria-label="Results table"><table aria-describedby="results-caption">
<thead><tr><th class="model"></th><th class="group" colspan="{{ table.ours | length }}">this run</th><th class="group first theirs" colspan="{{ table.theirs | length }}">the paper: another scale, other benchmarks</th></tr>
<tr><th class="model" scope="col">model</th>{% for head in table.ours %}<th scope="col">{{ head | replace("preference", "prefer\u00adence") | replace("contamination", "contam\u00adination") }}</th>{% endfor %}{% for head in table.theirs %}<th scope="col" class="theirs{{ ' first' if loop.first }}">{{ head | replace("CodeBench", "\u00adCode\u00adBench") | replace("AlpacaEval", "Alpaca\u00adEval") }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in table.rows %}<tr><th class="model" scope="row"><span class="dot" style="background: var(--{{ row.kind }})"></span>{{ row.paper }}<span class="stage-name">{{ row.model }}</span></th>
{%- for cell in row.ours %}<td>{{ cell.text }}{% if cell.small %}<small>{{ cell.small }}</small>{% endif %}</td>{% endfor %}
{%- for cell in row.theirs %}<td class="theirs{{ ' first' if loop.first }}">{{ cell.text }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>
<p class="faint small" id="results-caption">{{ table.caption }}</p>
<p class="faint small">Contamination: whether the problems that a model was asked stand in any table that leads to its checkpoint, or to a model that made its rows (the rows: <code>r1 data show evaluate@{{ run.models | first }}/contamination</code>). Clean: {{ exposures | selectattr("clean") | map(attribute="paper") | join(", ") or "no model" }}.{% if exposures | rejectattr("clean") | list %} All others:{% endif %}</p>
{% if exposures | rejectattr("clean") | list %}<ul class="small">
{% for said in exposures | rejectattr("clean") %}<li><strong>{{ said.paper }}: {{ said.text }}.</strong> <span class="faint">{{ said.detail }}.</span></li>
{% endfor %}</ul>{% endif %}

<h2 id="figures">Figures</h2>
<div class="figures">
{% for chart in charts %}<figure id="fig-{{ chart.key }}"{% if chart.wide %} class="wide"{% endif %}><h3>{{ loop.index }}. {{ chart.title }}</h3>{% if chart.svg %}<div class="scroll">{{ chart.svg | safe }}</div>{% endif %}<figcaption>{{ chart.caption }}</figcaption></figure>
{% endfor %}</div>

<h2 id="curation">What curation dropped</h2>
<p>Rows that came in, were dropped and stayed, of every stage that curates. A row is dropped for the first reason that holds; each bar ends where the next one begins. The dropped rows: <code>r1 data show rejection --rejected</code>.</p>
{% for part in funnels %}<div class="figures funnel"><figure id="fig-{{ part.chart.key }}"><h3>{{ part.chart.title }}</h3>{% if part.chart.svg %}<div class="scroll">{{ part.chart.svg | safe }}</div>{% endif %}<figcaption>{{ part.chart.caption }}</figcaption></figure>
{% if part.lines %}<div class="scroll" tabindex="0" role="region" aria-label="{{ part.chart.title }}: table"><table>
<thead><tr><th scope="col">step</th><th scope="col">rows</th><th scope="col">share</th><th scope="col">left</th><th scope="col">what it means</th></tr></thead>
<tbody>{% for line in part.lines %}<tr><th scope="row">{{ line.step }}</th><td>{{ "{:,}".format(line.rows) }}</td><td>{{ line.share }}</td><td>{{ "{:,}".format(line.last) }}</td><td>{{ line.meaning }}</td></tr>
{% endfor %}</tbody></table></div>{% endif %}</div>
{% endfor %}

<h2 id="traces">Sample traces</h2>
<p>Chosen by rule, never by how well they look: the hardest problem of each family with the smallest row id, and the first draw. <mark>wait</mark> marks reflective words; connectives are tinted by language: <b class="en">English</b>, <b class="zh">中文</b>.</p>
{% for group, heading, words in groups %}<h3>{{ heading }}</h3>
{% for exhibit in exhibits if exhibit.group == group %}<p class="prompt-line"><span class="faint">{{ exhibit.label }}{{ ":" if exhibit.prompt }}</span> <span class="prompt">{{ exhibit.prompt }}</span></p>
<div class="answers">{% for s in exhibit.samples %}<div class="answer"><header>{{ s.title }} · <span class="{{ 'right' if s.verdict == 'correct' else 'wrong' if s.verdict == 'wrong' else '' }}">{{ s.reason | replace('_', ' ') }}</span> · {{ s.num_tokens }} tokens</header><pre>{{ highlight(s.text) }}</pre></div>{% endfor %}</div>
{% else %}<p class="faint">Not in this run: {{ words }}.</p>
{% endfor %}{% endfor %}

<h2 id="pipeline">The pipeline</h2>
<p class="key">Each box is a DVC stage under the paper's name for what it makes: <b style="color: var(--zero)">reinforcement learning</b>, <b style="color: var(--cold_sft)">supervised training</b>, <b style="color: var(--align)">data</b>. The prompts feed every stage that samples, and every model is evaluated; those arrows are left out.</p>
<div class="scroll">{{ dag | safe }}</div>
{% if run.metrics %}<details><summary>Headline metrics of every stage</summary><div class="scroll"><table><tbody>
{% for stage, values in run.metrics.items() %}<tr><th class="model" scope="row">{{ stage }}</th><td style="text-align: left">{% for k, v in values.items() %}{{ k }} {{ "%.4g" | format(v) if v is number else v }}{{ ", " if not loop.last }}{% endfor %}</td></tr>
{% endfor %}</tbody></table></div></details>{% endif %}

<h2 id="again">Run it again</h2>
<p>The same parameters, seed, versions and thread count on the same kind of processor give the same bytes, this page included; elsewhere compare by the intervals.</p>
<pre class="code">make demo                      # install, run every stage, end with this page
r1 profile use {{ run.profile or "tiny" }}            # profile {{ run.profile or "tiny" }}; seed {{ run.seed }} in params.yaml
dvc repro                      # or: r1 run report
dvc exp run -S seed={{ run.seed + 1 }}          # another seed
dvc metrics diff               # what changed</pre>
<p class="faint">Beside this page: <code>summary.json</code> (these numbers) and <code>table.md</code> (the table).</p>
</main></body></html>
"""
