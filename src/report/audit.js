const page = document.getElementById('page');
const make = (tag, text, parent = page) => { const e = document.createElement(tag); if (text !== undefined) e.textContent = text; parent.append(e); return e; };
const short = (x, d = 6) => typeof x === 'number' ? (Math.abs(x) >= 1e-4 || x === 0 ? x.toFixed(d).replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '') : x.toExponential(2)) : x;
make('p', data.title).className = 'soft';
make('p', `loss ${short(data.loss, 9)} = policy ${short(data.policy_loss, 9)} + KL ${short(data.kl_loss, 9)};  clipped below ${short(100 * data.clip_low, 2)} %, ` +
    `above ${short(100 * data.clip_high, 2)} %;  mean ratio ${short(data.ratio_mean)};  mean KL ${short(data.kl_mean)}`);
make('p', 'Green: a step against the gradient raises the token; orange: it lowers it. The stronger, the larger |dloss/dlogp|.').className = 'soft';
make('p', 'Settings: ' + Object.entries(data.math).map(([k, v]) => `${k} ${v}`).join(', ')).className = 'soft';
let largest = 0;
for (const g of data.groups) for (const a of g.answers) for (const t of a.tokens) largest = Math.max(largest, Math.abs(t[9]));
for (const g of data.groups) {
    make('h2', g.name);
    make('p', `mean ${short(g.mean)}, deviation ${short(g.deviation)}` + (g.flat ? '; all rewards equal: every advantage is 0' : ''));
    for (const a of g.answers) {
        make('h3', `${a.name}: reward ${short(a.reward)}, ${a.tokens.length} tokens, weight of a token ${short(a.weight, 8)}` + (a.counts ? '' : ', not in the loss'));
        const box = make('div'), table = make('table', undefined, box);
        box.className = 'scroll';
        const row = make('tr', undefined, table);
        for (const name of ['token', 'logp', 'logp_old', 'logp_ref', 'A', 'ratio', 'policy', 'KL', 'of the loss', 'dloss/dlogp', 'clipped']) make('th', name, row);
        for (const t of a.tokens) {
            const tr = make('tr', undefined, table);
            t.forEach((x, i) => make('td', i === 8 || i === 9 ? x.toExponential(3) : short(x), tr));
            if (t[9] !== 0) tr.style.background = `rgba(var(--${t[9] < 0 ? 'up' : 'down'}), ${0.06 + 0.34 * Math.sqrt(Math.abs(t[9]) / largest)})`;
        }
    }
}
