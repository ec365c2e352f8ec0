// ---- charts ----
function ticks(low, high, count, whole) {
    const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
    let step = (whole ? [1, 2, 5, 10] : [1, 2, 2.5, 5, 10]).map(m => m * power).find(s => s >= raw * 0.999);
    if (whole) step = Math.max(1, step);
    const list = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; ++i) list.push(i * step);
    return list;
}

// The powers of ten between two exponents, and what lies between them if they are few.
function powers(low, high) {
    const parts = high - low > 3 ? [1] : high - low > 1.2 ? [1, 3] : [1, 2, 3, 5, 7], list = [];
    const every = Math.ceil((high - low) / 8);
    for (let power = Math.floor(low); power <= high; power += every)
        for (const part of parts)
            if (power + Math.log10(part) >= low && power + Math.log10(part) <= high) list.push(part * 10 ** power);
    return list;
}

// spec: title, expected (a sentence), unit ('share' or ''), place (the element that the figure goes into), series
// [{name, color, points [{x, y, low, high}], dots, dashed}], and optionally range [low, high], from_data (the axis need
// not hold 0), log (a logarithmic axis, if all is above 0), x (axis title), height, fractions (ticks of x need not be
// whole).
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
    const csv = () => csv_line(['series', spec.x || 'step', 'value', 'low', 'high']) +
        series.flatMap(s => s.points.map(p => csv_line([s.name, p.x, p.y, p.low, p.high]))).join('');
    spec.place.append(make('figure', {class: 'card'}, make('div', {class: 'head'}, make('h3', {}, spec.title),
        csv_button('CSV', spec.title, csv)), legend, plot, make('figcaption', {}, spec.expected)));

    const all = series.flatMap(s => s.points), xs = [...new Set(all.map(p => p.x))].sort((a, b) => a - b);
    let x_low = xs[0], x_high = xs[xs.length - 1];
    if (x_low === x_high) --x_low, ++x_high;
    const extremes = values => values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
    const ys = all.flatMap(p => [p.y, p.low, p.high]).filter(known), log = spec.log && ys.every(y => y > 0);
    const scale = y => log ? Math.log10(y) : y, range = log ? null : spec.range;
    let [low, high] = range || extremes(ys.map(scale));
    if (!range && !spec.from_data && !log) low = Math.min(low, 0), high = Math.max(high, 0);
    if (low === high) high = low + (spec.unit === 'share' ? 0.1 : 1);
    if (!range) high += (high - low) * 0.05;
    const marks = log ? powers(low, high) : ticks(low, high, 5);

    function redraw() {
        const width = Math.max(260, plot.clientWidth);
        const X = x => left + (x - x_low) / (x_high - x_low) * (width - left - right);
        const Y = y => {
            const part = (scale(y) - low) / (high - low);
            return height - bottom - Math.max(0, Math.min(1, part)) * (height - top - bottom);
        };
        const svg = draw('svg', {height, viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': spec.title});
        const text = (x, y, anchor, content) => svg.append(draw('text', {x, y, 'text-anchor': anchor,
            fill: 'var(--soft)', stroke: 'var(--card)', 'stroke-width': 3, 'paint-order': 'stroke'}, content));
        const line = (x1, y1, x2, y2, stroke, more) => {
            svg.append(draw('line', {x1, y1, x2, y2, stroke: `var(--${stroke})`, ...more}));
            return svg.lastChild;
        };
        const across = (y, stroke, more) => line(left, Y(y), width - right, Y(y), stroke, more);
        for (const y of marks) {
            across(y, 'grid');
            text(left - 6, Y(y) + 4, 'end', label(y));
        }
        for (const x of ticks(x_low, x_high, width < 420 ? 4 : 6, !spec.fractions)) {
            line(X(x), height - bottom, X(x), height - bottom + 4, 'line');
            text(X(x), height - bottom + 16, 'middle', short(x, 6));
        }
        text((left + width - right) / 2, height - 4, 'middle', spec.x || 'step');
        line(left, height - bottom, width - right, height - bottom, 'line');
        if (!log && low < 0 && high > 0) across(0, 'line');
        for (const s of series) {
            const at = p => X(p.x).toFixed(1) + ' ' + Y(p.y).toFixed(1);
            const color = {stroke: `var(--${s.color})`};
            if (!s.dots && s.points.length > 1)
                svg.append(draw('path', {d: 'M' + s.points.map(at).join('L'), fill: 'none', ...color, 'stroke-width': 2,
                                         'stroke-dasharray': s.dashed ? '6 4' : 'none', 'stroke-linejoin': 'round'}));
            if (s.dots || s.points.length === 1) for (const p of s.points) {
                if (known(p.low) && known(p.high))
                    line(X(p.x), Y(p.low), X(p.x), Y(p.high), s.color, {'stroke-width': 1.5, opacity: 0.6});
                svg.append(draw('circle', {cx: X(p.x), cy: Y(p.y), r: 4, fill: color.stroke, stroke: 'var(--card)',
                                           'stroke-width': 1.5}));
            }
        }
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
            show_tip(event, (spec.x || 'step') + ' ' + short(x, 6), rows);
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
