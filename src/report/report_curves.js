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
