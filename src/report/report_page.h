// The page of `r1 report`, in the order in which report.cpp joins its parts: style and skeleton, then (after the data)
// the script. Plain HTML, SVG and JavaScript; the policy in its head forbids every request. All text that comes from
// data goes through text nodes (make, draw), never through innerHTML.
#pragma once

namespace r1 {

constexpr const char PAGE_TOP[] = R"page(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
      content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>R1-Zero from nothing: report</title>
<style>
:root {
    color-scheme: light dark;
    --page: #f6f6f4; --card: #ffffff; --ink: #1c1c1a; --soft: #5f5e5a; --line: #dddcd6; --grid: #ecebe6;
    --blue: #2a78d6; --orange: #d9591c; --green: #138a63; --violet: #7257c7; --level: #8a8983;
    --good: #12734f; --bad: #b3261e;
}
@media (prefers-color-scheme: dark) {
    :root {
        --page: #141413; --card: #1e1e1c; --ink: #ecebe6; --soft: #a9a8a1; --line: #3a3936; --grid: #2b2a28;
        --blue: #5598ea; --orange: #ec7a41; --green: #34b387; --violet: #a08fee; --level: #8a8983;
        --good: #4cc598; --bad: #f2857d;
    }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1400px; margin: 0 auto; padding: 20px 16px 60px; }
h1 { font-size: 25px; line-height: 1.25; margin: 4px 0 6px; }
h2 { font-size: 19px; margin: 34px 0 4px; }
h3 { font-size: 15px; margin: 0 0 2px; }
p { margin: 4px 0 10px; max-width: 90ch; text-wrap: pretty; }
.soft, figcaption, .legend { color: var(--soft); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 14px 16px; margin: 0; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 400px), 1fr)); gap: 14px; }
.plot { position: relative; margin: 4px -6px 2px; touch-action: pan-y; }
svg { display: block; width: 100%; font: 11.5px system-ui, sans-serif; }
figcaption { font-size: 13px; line-height: 1.42; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 14px; font-size: 13px; min-height: 20px; }
.key { display: inline-block; width: 14px; height: 3px; border-radius: 2px; vertical-align: middle; margin-right: 5px; }
.key.points { width: 9px; height: 9px; border-radius: 50%; }
.tip { position: fixed; z-index: 9; pointer-events: none; background: var(--card); color: var(--ink); font-size: 13px;
       border: 1px solid var(--line); border-radius: 6px; padding: 6px 9px; box-shadow: 0 2px 10px #0004;
       line-height: 1.4; max-width: calc(100vw - 16px); overflow-wrap: anywhere; }
.tip table td, .tip table th { padding: 0 0 0 10px; border: 0; font-size: 13px; }
.tip table th { padding-left: 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 6px 14px; border-bottom: 1px solid var(--grid); font-weight: 400; }
th:first-child { text-align: left; padding-left: 0; color: var(--soft); white-space: nowrap; }
thead th { color: var(--soft); vertical-align: bottom; border-bottom-color: var(--line); }
td small { color: var(--soft); display: block; font-size: 12px; font-weight: 400; white-space: nowrap; }
td.main { font-size: 18px; font-weight: 600; }
#headline { display: flex; flex-wrap: wrap; gap: 10px 40px; }
#headline > div { min-width: 0; max-width: 100%; }
#headline > .aside { flex: 1 1 420px; }
.facts { display: grid; grid-template-columns: auto 1fr; gap: 2px 14px; margin: 12px 0 0; }
.facts dt { color: var(--soft); } .facts dd { margin: 0; overflow-wrap: anywhere; }
code { font: 13px ui-monospace, monospace; }
.good { color: var(--good); } .bad { color: var(--bad); }
.bar { display: flex; flex-wrap: wrap; gap: 8px 18px; align-items: center; margin: 8px 0; }
select, button { font: inherit; font-size: 14px; color: inherit; background: var(--card); border: 1px solid var(--line);
                 border-radius: 6px; padding: 4px 9px; cursor: pointer; }
button[aria-pressed=true], button[aria-current=true] { border-color: var(--blue);
                                                       box-shadow: inset 0 0 0 1px var(--blue); }
.buttons { display: inline-flex; flex-wrap: wrap; gap: 4px; }
.browser { display: grid; grid-template-columns: 190px 1fr; gap: 14px; align-items: start; }
.answers { display: grid; gap: 4px; max-height: 560px; overflow-y: auto; padding: 1px; }
.answers button { display: grid; grid-template-columns: 2.6em 1fr auto; text-align: left;
                  font-variant-numeric: tabular-nums; }
.prompt, .answer { white-space: pre-wrap; overflow-wrap: anywhere; font: 14px/1.75 ui-monospace, monospace; margin: 0; }
.prompt { color: var(--soft); margin-bottom: 6px; }
.answer span { border-radius: 3px; padding: 2px 0; margin-right: 1px; cursor: default; }
.answer span:hover { outline: 1.5px solid var(--ink); }
.scale { display: inline-flex; align-items: center; gap: 8px; font-size: 13px; color: var(--soft); }
.scale i { width: 150px; height: 12px; border-radius: 3px; border: 1px solid var(--line); display: inline-block; }
@media (max-width: 700px) {
    .browser { grid-template-columns: 1fr; }
    .answers { grid-template-columns: 1fr 1fr; max-height: 190px; }
    th, td { padding: 5px 4px; font-size: 13px; }
    th:first-child, td small { white-space: normal; }
    td.main { font-size: 15px; }
    h1 { font-size: 21px; }
}
</style>
</head>
<body>
<main>
<h1>R1-Zero from nothing</h1>
<p>A small mixture-of-experts model learned to think before it answers: pretrained from scratch, then trained by GRPO
with rule rewards alone, as DeepSeek-R1-Zero was, and evaluated on Countdown problems that it never saw.</p>
<noscript><p class="bad">This page draws itself with JavaScript, which is switched off.</p></noscript>
<section class="card" id="headline"></section>
<ul class="soft" id="notes"></ul>
<h2>Curves</h2>
<p class="soft">One step is one rollout: answers are sampled, rewarded, and learned from once. Point at a chart for its
numbers.</p>
<div class="charts" id="charts"></div>
<section id="rollouts"></section>
</main>
<script type="application/json" id="data">)page";

constexpr const char PAGE_AFTER_DATA[] = R"page(</script>
<script>
'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const find = id => document.getElementById(id);

// An element with attributes and children; strings become text, so data is never read as HTML.
function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) element.setAttribute(name, value);
    element.append(...children);
    return element;
}
function draw(tag, attributes, ...children) {
    const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
}
const known = value => typeof value === 'number' && isFinite(value);
const share = value => known(value) ? (100 * value).toFixed(1) + ' %' : '\u2013';
const short = (value, digits = 4) =>
    known(value) ? String(Number(value.toPrecision(digits))).replace('-', '\u2212') : '\u2013';

// One box for all explanations at the pointer.
const tip = make('div', {class: 'tip', hidden: ''});
document.body.append(tip);
function show_tip(event, title, rows) {
    tip.replaceChildren(make('b', {}, title), make('table', {}, ...rows.map(([name, value, color]) => {
        const key = color ? [make('span', {class: 'key', style: 'background:' + color})] : [];
        return make('tr', {}, make('th', {}, ...key, name), make('td', {}, value));
    })));
    tip.hidden = false;
    const box = tip.getBoundingClientRect(), right = document.documentElement.clientWidth - box.width - 8;
    tip.style.left = Math.max(8, Math.min(event.clientX + 14, right)) + 'px';
    const below = event.clientY + 18;
    tip.style.top = (below + box.height > innerHeight ? event.clientY - box.height - 12 : below) + 'px';
}
const hide_tip = () => { tip.hidden = true; };
addEventListener('scroll', hide_tip, {passive: true});

// ---- what the run came to ----
(function headline() {
    const votes = evaluation => Object.keys(evaluation).find(key => key.startsWith('majority_at_')) || '';
    const any = Object.values(data.evaluation)[0] || {};
    const k = votes(any).slice(12) || 'k';
    const columns = [['base', 'base model'], ['zero', 'R1-Zero']];
    if (data.evaluation.control) columns.push(['control', 'control: empty think']);
    const interval = e => Array.isArray(e.pass_at_1_interval)
        ? '95 %: ' + e.pass_at_1_interval.map(share).join(' to ').replace(' %', '') : '';
    const rows = [
        ['pass@1', e => share(e.pass_at_1), '15.6 \u2192 71.0 % [v1] / 77.9 % [Nature]', interval],
        ['majority of ' + k, e => share(e[votes(e)]), '86.7 %'],
        ['mean length, tokens', e => known(e.mean_length) ? e.mean_length.toFixed(1) : '\u2013', 'grows (figure only)'],
        ['reflective share', e => share(e.reflective_share), 'words: 5 to 7 times'],
        ['truncated', e => share(e.truncated), 'not stated'],
        ['format kept', e => share(e.format), 'not stated']];
    const table = make('table', {},
        make('thead', {}, make('tr', {}, make('th', {}, any.problems ? any.problems + ' held-out problems' : ''),
            ...columns.map(([, title]) => make('th', {}, title)), make('th', {}, 'the paper, AIME 2024'))),
        make('tbody', {}, ...rows.map(([title, value, paper, small], i) => make('tr', {}, make('th', {}, title),
            ...columns.map(([name]) => {
                const evaluation = data.evaluation[name];
                const cell = make('td', i < 2 ? {class: 'main'} : {}, evaluation ? value(evaluation) : '\u2013');
                if (evaluation && small) cell.append(make('small', {}, small(evaluation)));
                return cell;
            }), make('td', {class: 'soft'}, paper)))));
    const seconds = Object.entries(data.seconds).filter(([, s]) => known(s))
        .map(([stage, s]) => stage + ' ' + s.toFixed(1) + ' s');
    const verdict = make('dd', {}, data.golden_words);
    if (data.golden !== null) verdict.className = data.golden ? 'good' : 'bad';
    const fact = (name, ...content) => [make('dt', {}, name), make('dd', {}, ...content)];
    const code = text => make('code', {}, text || '\u2013');
    find('headline').append(make('div', {class: 'wide'}, table), make('div', {class: 'aside'},
        make('p', {class: 'soft'}, 'The paper\u2019s figures [v1: arXiv 2501.12948v1, Table 2; Nature: Table 2 and ' +
            'Fig. 1] are of a 671-billion-parameter model on another task: they show how much pure reinforcement ' +
            'learning gained there, and are no contest. The control learns under the same rewards but may not ' +
            'think: what it reaches, guessing reaches.'),
        make('dl', {class: 'facts'}, ...fact('weights', code(data.sha256.weights)),
            ...fact('metrics', code(data.sha256.metrics)), make('dt', {}, 'one hash'), verdict,
            ...fact('time', seconds.join(', ') || '\u2013'), ...fact('run', code(data.run)))));
    for (const note of data.notes) find('notes').append(make('li', {}, note));
})();
)page";

constexpr const char PAGE_CHARTS[] = R"page(
// ---- curves ----
function ticks(low, high, count, whole) {
    const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
    let step = (whole ? [1, 2, 5, 10] : [1, 2, 2.5, 5, 10]).map(m => m * power).find(s => s >= raw * 0.999);
    if (whole) step = Math.max(1, step);
    const list = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; ++i) list.push(i * step);
    return list;
}

// spec: title, expected (a sentence), unit ('share' or ''), series [{name, color, points [{x, y, low, high}], dots}],
// and optionally levels [{y, text, right, below}], range [low, high], from_data (the axis need not hold 0), x (axis
// title), height.
function chart(spec) {
    spec.series.forEach(s => { s.points = s.points.filter(p => known(p.x) && known(p.y)); });
    const series = spec.series.filter(s => s.points.length);
    if (!series.length) return;
    const value = v => spec.unit === 'share' ? share(v) : short(v);
    const label = v => spec.unit === 'share' ? short(100 * v, 3) + ' %' : short(v, 3);
    const height = spec.height || 240, left = 58, right = 14, top = 10, bottom = 36;
    const plot = make('div', {class: 'plot', style: `height:${height}px`});
    const legend = make('div', {class: 'legend'}, ...series.map(s => make('span', {},
        make('span', {class: s.dots ? 'key points' : 'key', style: `background:var(--${s.color})`}), s.name)));
    find('charts').append(make('figure', {class: 'card'}, make('h3', {}, spec.title), legend, plot,
        make('figcaption', {}, spec.expected)));

    const all = series.flatMap(s => s.points), xs = [...new Set(all.map(p => p.x))].sort((a, b) => a - b);
    let x_low = xs[0], x_high = xs[xs.length - 1];
    if (x_low === x_high) --x_low, ++x_high;
    const ys = all.flatMap(p => [p.y, p.low, p.high]).concat((spec.levels || []).map(l => l.y)).filter(known);
    let [low, high] = spec.range || [Math.min(...ys), Math.max(...ys)];
    if (!spec.range && !spec.from_data) low = Math.min(low, 0), high = Math.max(high, 0);
    if (low === high) high = low + (spec.unit === 'share' ? 0.1 : 1);
    if (!spec.range) high += (high - low) * 0.05;

    function redraw() {
        const width = Math.max(260, plot.clientWidth);
        const X = x => left + (x - x_low) / (x_high - x_low) * (width - left - right);
        const Y = y => height - bottom - (y - low) / (high - low) * (height - top - bottom);
        const svg = draw('svg', {height, viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': spec.title});
        const text = (x, y, anchor, content) => svg.append(draw('text', {x, y, 'text-anchor': anchor,
            fill: 'var(--soft)', stroke: 'var(--card)', 'stroke-width': 3, 'paint-order': 'stroke'}, content));
        const line = (x1, y1, x2, y2, stroke, more) => {
            svg.append(draw('line', {x1, y1, x2, y2, stroke: `var(--${stroke})`, ...more}));
            return svg.lastChild;
        };
        const across = (y, stroke, more) => line(left, Y(y), width - right, Y(y), stroke, more);
        for (const y of ticks(low, high, 5)) {
            across(y, 'grid');
            text(left - 6, Y(y) + 4, 'end', label(y));
        }
        for (const x of ticks(x_low, x_high, width < 420 ? 4 : 6, true)) {
            line(X(x), height - bottom, X(x), height - bottom + 4, 'line');
            text(X(x), height - bottom + 16, 'middle', short(x, 6));
        }
        text((left + width - right) / 2, height - 4, 'middle', spec.x || 'step');
        across(Math.max(low, Math.min(0, high)), 'line');
        for (const level of spec.levels || []) across(level.y, 'level', {'stroke-dasharray': '5 4'});
        for (const s of series) {
            const at = p => X(p.x).toFixed(1) + ' ' + Y(Math.max(low, Math.min(high, p.y))).toFixed(1);
            const color = {stroke: `var(--${s.color})`};
            if (!s.dots && s.points.length > 1)
                svg.append(draw('path', {d: 'M' + s.points.map(at).join('L'), fill: 'none', ...color, 'stroke-width': 2,
                                         'stroke-linejoin': 'round'}));
            if (s.dots || s.points.length === 1) for (const p of s.points) {
                if (known(p.low) && known(p.high))
                    line(X(p.x), Y(p.low), X(p.x), Y(p.high), s.color, {'stroke-width': 1.5, opacity: 0.6});
                svg.append(draw('circle', {cx: X(p.x), cy: Y(p.y), r: 4, fill: color.stroke, stroke: 'var(--card)',
                                           'stroke-width': 1.5}));
            }
        }
        for (const level of spec.levels || [])
            text(level.right ? width - right - 2 : left + 4, Y(level.y) + (level.below ? 13 : -4),
                 level.right ? 'end' : 'start', level.text);
        const cross = line(0, top, 0, height - bottom, 'soft', {visibility: 'hidden'});
        svg.onpointermove = svg.onpointerdown = event => {
            const box = svg.getBoundingClientRect();
            const pointed = (event.clientX - box.left) * width / box.width;
            const x = xs.reduce((best, v) => Math.abs(X(v) - pointed) < Math.abs(X(best) - pointed) ? v : best);
            for (const [name, value] of [['x1', X(x)], ['x2', X(x)], ['visibility', 'visible']])
                cross.setAttribute(name, value);
            const rows = series.flatMap(s => s.points.filter(p => p.x === x).map(p =>
                [s.name, value(p.y) + (known(p.low) ? ` (${share(p.low)} to ${share(p.high)})` : ''),
                 `var(--${s.color})`]));
            show_tip(event, (spec.x || 'step') + ' ' + x, rows);
        };
        svg.onpointerleave = () => { cross.setAttribute('visibility', 'hidden'), hide_tip(); };
        plot.replaceChildren(svg);
    }
    let drawn = 0;
    new ResizeObserver(() => { if (plot.clientWidth !== drawn) drawn = plot.clientWidth, redraw(); }).observe(plot);
}

// Means over equal stretches, when there are more points than pixels.
function stretches(points, most) {
    const size = Math.ceil(points.length / most), means = [];
    for (let i = 0; i < points.length; i += size) {
        const part = points.slice(i, i + size).filter(p => known(p.y));
        const mean = part.reduce((sum, p) => sum + p.y, 0) / part.length;
        if (part.length) means.push({x: part[part.length - 1].x, y: mean});
    }
    return {means, size};
}

(function curves() {
    const line = (name, color, key, lines = data.zero) =>
        ({name, color, points: stretches(lines.map(m => ({x: m.step, y: m[key]})), 600).means});
    const votes = m => Object.keys(m).find(key => key.startsWith('majority_at_'));
    const held_out = (name, color, point) =>
        ({name, color, dots: true, points: data.held_out.map(m => ({x: m.step, ...point(m)}))});
    const shown = [];
    const add = (title, series, expected, more) =>
        shown.push({title, series, expected: 'Expected: ' + expected, ...more});
    const SHARE = {unit: 'share'};

    add('Reward and its parts',
        [line('reward', 'blue', 'reward'), line('accuracy', 'green', 'accuracy'), line('format', 'orange', 'format')],
        'all rise. The reward is what GRPO maximises: by default 1 for a right answer and 1 for the format, as in ' +
        'the paper.', {height: 300});
    add('Accuracy',
        [line('training, pass@1', 'blue', 'accuracy'),
         line('control, may not think', 'violet', 'accuracy', data.control),
         held_out('held-out pass@1', 'green', m => {
             const [low, high] = m.pass_at_1_interval || [];
             return {y: m.pass_at_1, low, high};
         }),
         held_out('held-out majority', 'orange', m => ({y: m[votes(m)]}))],
        'rises past what the control can guess; the majority lies above pass@1. Of the paper\u2019s curve (AIME ' +
        '2024, 10,400 updates) its text gives only the ends, so they stand as dashed levels: points between them ' +
        'would be invented.',
        {...SHARE, range: [0, 1], height: 300, levels: [
            {y: 0.156, text: 'paper, before RL: 15.6 %', right: true, below: true},
            {y: 0.71, text: 'paper, v1: 71.0 %', below: true},
            {y: 0.779, text: 'paper, Nature: 77.9 %'}, {y: 0.867, text: 'paper, majority: 86.7 %'}]});
    add('Mean length of an answer, tokens',
        [line('all', 'blue', 'length'), line('finished', 'green', 'finished_length')],
        'grows, because trying and checking more pays; so it did in the paper [Nature Fig. 1]. Finished answers ' +
        'alone show that this is not rambling up to the limit.', {height: 300});
    add('Truncated answers', [line('truncated', 'blue', 'truncated')],
        'stays low. An answer that is cut off gets reward 0; a lasting rise means that the limit is too tight or ' +
        'the policy rambles.', SHARE);
    add('Reflective answers', [line('answers with such a word', 'blue', 'reflective_share')],
        'rises. Words such as wait, check, mistake are never rewarded; they spread if answers that hold them are ' +
        'right more often.', SHARE);
    add('Reflective words per answer', [line('words', 'blue', 'reflective_words')],
        'rises; the paper counts 5 to 7 times as many at the end as at the start [R1v2 C.2].');
    add('Entropy per token, nats', [line('entropy', 'blue', 'entropy')],
        'falls, as the policy becomes surer of what it does; near 0 all answers of a group are alike and nothing is ' +
        'left to learn from.');
    add('KL to the reference, per token', [line('KL (k3)', 'blue', 'kl')],
        'above 0 after the first update, since k3 is never negative, and rising; it falls back where the reference ' +
        'is refreshed. Above 1 the policy runs away.');
    const gaps = data.zero.map(m => m.first_update_mismatch).filter(known);
    const gap = !gaps.length ? '' : ' The largest |log \u03c0 \u2212 log \u03c0_old| of a first update in this run: ' +
        short(gaps.reduce((a, b) => Math.max(a, b))) + '.';
    add('Clipped tokens',
        [line('at 1 + \u03b5, A > 0', 'blue', 'clip_high'), line('at 1 \u2212 \u03b5, A < 0', 'orange', 'clip_low')],
        'a few per cent at most. In the first update of a rollout the ratio is exactly 1 and nothing is clipped; ' +
        'the later ones are off-policy.' + gap, SHARE);
    add('Gradient norm, before clipping', [line('gradient norm', 'blue', 'gradient_norm')],
        'of one size throughout; single spikes are cut by the clipping, a lasting climb comes before a collapse.');
    add('Terms of the loss', [line('policy term', 'blue', 'policy_loss'), line('\u03b2 KL', 'orange', 'kl_loss')],
        'near 0, and no measure of success: the advantages of a group sum to 0, so at ratio 1 the policy term is ' +
        'about 0 while its gradient is not.');
    add('Groups without spread', [line('groups', 'blue', 'groups_without_spread')],
        'falls while all-wrong groups thin out, then rises as all-right ones appear. Such a group has A = 0 and ' +
        'teaches nothing.', SHARE);
    const pretraining = stretches(data.base.step.map((step, i) => ({x: step, y: data.base.loss[i]})), 400);
    const name = pretraining.size > 1 ? `mean of ${pretraining.size} updates` : 'loss';
    add('Pretraining loss, nats per token', [{name, color: 'blue', points: pretraining.means}],
        'falls steeply, then slowly, and flattens as the cosine schedule ends.', {from_data: true, x: 'update'});
    shown.forEach(chart);
})();
)page";

constexpr const char PAGE_ROLLOUTS[] = R"page(
// ---- rollouts, token by token ----
(function rollouts() {
    const lines = data.rollouts.filter(a => Array.isArray(a.pieces));
    if (!lines.length) return;
    const unique = list => [...new Set(list)].sort((a, b) => a - b);
    const group = () => lines.filter(a => a.step === state.step && a.prompt_index === state.group);
    const groups = () => unique(lines.filter(a => a.step === state.step).map(a => a.prompt_index));
    const steps = unique(lines.map(a => a.step));
    const state = {step: steps[steps.length - 1], group: 0, answer: 0, color: 'advantage'};
    state.group = groups()[0];

    // What is known of token t of answer a. Recorded numbers have 5 digits.
    function token(a, t) {
        const at = key => Array.isArray(a[key]) && known(a[key][t]) ? a[key][t] : NaN;
        const logp = at('logp'), logp_old = at('logp_old'), logp_ref = at('logp_ref'), d = logp_ref - logp;
        return {logp, logp_old, logp_ref, entropy: at('entropy'), advantage: a.advantage,
                ratio: Math.exp(logp - logp_old), kl: Math.expm1(d) - d, probability: Math.exp(logp_old)};
    }
    const largest = (answers, of) => answers.reduce((most, a) =>
        a.pieces.reduce((m, _, t) => Math.max(m, of(token(a, t)) || 0), most), 0);

    // A choice of colour: amount(token) in -1 .. 1 under the scale of its group; the first hue is that of negatives.
    const RED = '217,72,49', BLUE = '42,120,214', AMBER = '222,140,20', VIOLET = '128,96,214';
    const colors = {
        advantage: {
            title: 'advantage', hues: [RED, BLUE],
            words: 'the same for all tokens of an answer: its reward against its group',
            scale: answers => answers.reduce((most, a) => Math.max(most, Math.abs(a.advantage) || 0), 1e-3),
            amount: (k, s) => k.advantage / s, low: s => short(-s, 3), high: s => '+' + short(s, 3)},
        ratio: {
            title: 'ratio', hues: [RED, BLUE],
            words: '\u03c0 / \u03c0_old when the answer was learned from; exactly 1 in the first update of a rollout',
            scale: answers => Math.max(0.01, largest(answers, k => Math.abs(Math.log(k.ratio)))),
            amount: (k, s) => Math.log(k.ratio) / s,
            low: s => short(Math.exp(-s), 3), high: s => short(Math.exp(s), 3)},
        kl: {
            title: 'KL', hues: [AMBER, AMBER],
            words: 'k3 = exp(d) \u2212 d \u2212 1, d = log \u03c0_ref \u2212 log \u03c0: where it left the reference',
            scale: answers => Math.max(1e-6, largest(answers, k => k.kl)),
            amount: (k, s) => Math.max(0, k.kl) / s, low: () => '0', high: s => short(s, 3)},
        probability: {
            title: 'probability', words: '\u03c0_old of the sampled token: dark is a surprise', hues: [VIOLET, VIOLET],
            scale: () => 1, amount: k => 1 - k.probability, low: () => '1', high: () => '0'},
        entropy: {
            title: 'entropy', words: 'nats: how open the choice of this token was', hues: [AMBER, AMBER],
            scale: answers => Math.max(1e-3, largest(answers, k => k.entropy)),
            amount: (k, s) => k.entropy / s, low: () => '0', high: s => short(s, 3)}};
    const paint = (choice, amount) => !known(amount) ? 'transparent'
        : `rgba(${choice.hues[amount < 0 ? 0 : 1]},${(0.62 * Math.min(1, Math.abs(amount))).toFixed(3)})`;

    const picker = (title, change) => {
        const select = make('select', {'aria-label': title});
        select.onchange = () => change(Number(select.value));
        return select;
    };
    const step_select = picker('step', v => { state.step = v; state.group = groups()[0]; state.answer = 0; render(); });
    const group_select = picker('group', v => { state.group = v; state.answer = 0; render(); });
    const buttons = make('span', {class: 'buttons'}, ...Object.entries(colors).map(([name, choice]) => {
        const button = make('button', {type: 'button', 'data-color': name}, choice.title);
        button.onclick = () => { state.color = name; render(); };
        return button;
    }));
    const list = make('div', {class: 'answers', role: 'list', 'aria-label': 'answers of the group'});
    const legend = make('div', {class: 'bar'}), verdict = make('dl', {class: 'facts'});
    const prompt = make('p', {class: 'prompt'}), text = make('p', {class: 'answer'});
    find('rollouts').append(make('h2', {}, 'Answers, token by token'),
        make('p', {class: 'soft'}, 'Groups of answers to one prompt as they were sampled, with the numbers that the ' +
            'loss was computed from. Arrow keys go through the answers; point at a token for all its numbers.'),
        make('div', {class: 'bar'}, make('label', {}, 'step ', step_select), make('label', {}, 'group ', group_select),
            make('span', {}, 'colour ', buttons)),
        make('div', {class: 'browser'}, list, make('div', {class: 'card'}, prompt, text, legend, verdict)));

    const signed = a => !known(a) ? '\u2013' : a > 0 ? '\u25b2 +' + a.toFixed(2)
                      : a < 0 ? '\u25bc \u2212' + (-a).toFixed(2) : '= 0';
    const options = (select, values, chosen) => {
        select.replaceChildren(...values.map(v => make('option', {value: v}, String(v))));
        select.value = chosen;
    };

    function explain(event) {
        const t = Number(event.target.dataset.t), a = group()[state.answer], k = token(a, t);
        show_tip(event, `token ${t + 1} of ${a.pieces.length}: ${JSON.stringify(a.pieces[t])}`, [
            ['probability, \u03c0_old', short(k.probability)], ['log \u03c0_old', short(k.logp_old, 5)],
            ['log \u03c0', short(k.logp, 5)], ['log \u03c0_ref', short(k.logp_ref, 5)],
            ['ratio \u03c0 / \u03c0_old', short(k.ratio, 5)], ['KL (k3)', short(k.kl)],
            ['entropy', short(k.entropy)], ['advantage', short(k.advantage)]]);
    }

    function render() {
        hide_tip();
        const answers = group(), a = answers[state.answer];
        const choice = colors[state.color], scale = choice.scale(answers);
        options(step_select, steps, state.step), options(group_select, groups(), state.group);
        for (const button of buttons.children)
            button.setAttribute('aria-pressed', button.dataset.color === state.color);
        list.replaceChildren(...answers.map((b, i) => {
            const button = make('button', {type: 'button', 'aria-current': i === state.answer},
                make('span', {class: 'soft'}, '#' + b.sample),
                make('span', {}, known(b.reward) ? b.reward.toFixed(2) : '\u2013'),
                make('span', {class: b.advantage > 0 ? 'good' : b.advantage < 0 ? 'bad' : 'soft'},
                    signed(b.advantage)));
            button.onclick = () => { state.answer = i; render(); };
            return button;
        }));
        prompt.textContent = a.prompt;
        text.replaceChildren(...a.pieces.map((piece, t) => {
            const background = 'background:' + paint(choice, choice.amount(token(a, t), scale));
            const span = make('span', {'data-t': t, style: background}, String(piece).replace(/\n/g, '\u21b5\n'));
            span.onpointerenter = span.onpointerdown = explain;
            span.onpointerleave = hide_tip;
            return span;
        }));
        const one_sided = choice.hues[0] === choice.hues[1];
        const stops = Array.from({length: 9}, (_, i) => paint(choice, one_sided ? i / 8 : i / 4 - 1));
        legend.replaceChildren(make('span', {class: 'scale'}, choice.low(scale),
            make('i', {style: `background:linear-gradient(90deg,${stops.join(',')})`}), choice.high(scale)),
            make('span', {class: 'soft'}, choice.title + ': ' + choice.words));
        const effect = a.advantage > 0 ? 'above its group: each of its tokens is made more likely'
            : a.advantage < 0 ? 'below its group: each of its tokens is made less likely'
            : 'no better or worse than its group: its policy term is exactly 0';
        const row = (name, ...content) => [make('dt', {}, name), make('dd', {}, ...content)];
        verdict.replaceChildren(
            ...row('reward', `${short(a.reward)}: accuracy ${short(a.accuracy)} ` +
                `(${a.accuracy > 0 ? 'right' : 'not right'}), format ${short(a.format)} ` +
                `(${a.format > 0 ? 'kept' : 'not kept'})`),
            ...row('grader', String(a.reason)),
            ...row('advantage', `${signed(a.advantage)}, ${effect}`),
            ...row('length', `${a.pieces.length} tokens, ${a.finished ? 'ended by itself' : 'cut off at the limit'}`),
            ...row('problem', Object.entries(a.problem || {}).map(([k, v]) => `${k} ${Array.isArray(v) ? v.join(', ') : v}`).join('; ')));
    }

    addEventListener('keydown', event => {
        if (event.target.tagName === 'SELECT' || event.ctrlKey || event.altKey || event.metaKey) return;
        const inside = find('rollouts').contains(document.activeElement);
        const move = {ArrowRight: 1, ArrowLeft: -1, ...(inside && {ArrowDown: 1, ArrowUp: -1})}[event.key];
        if (!move) return;
        event.preventDefault();
        state.answer = (state.answer + move + group().length) % group().length;
        render();
        list.children[state.answer].focus({preventScroll: !inside});
    });
    render();
})();
)page";

constexpr const char PAGE_END[] = "</script>\n</body>\n</html>\n";

}  // namespace r1
