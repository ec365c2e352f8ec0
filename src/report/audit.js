const PAGE_OF_ANSWERS = 100, PAGE_OF_TOKENS = 200;
const text = (x, digits = 6) => !known(x) ? '' : x !== 0 && Math.abs(x) < 1e-4
    ? x.toExponential(digits - 1).replace(/\.?0+e/, 'e').replaceAll('-', '\u2212') : short(x, digits);
const counted = (n, thing) => `${n} ${thing}${n === 1 ? '' : 's'}`;
const signed = (x, digits) => x > 0 ? '+' + text(x, digits) : text(x, digits);
const cells = (tag, list) => list.map(each => make(tag, {}, each));

// A table of rows; the first cell of a row is its head.
const table_of = (heads, rows, style) => make('div', {class: 'wide'}, make('table', {class: style},
    make('thead', {}, make('tr', {}, ...cells('th', heads))), make('tbody', {}, ...rows)));

// Buttons that turn pages: turn(page) is called with a page from 0.
function pager(title, page, pages, turn) {
    const button = (words, to) => {
        const b = make('button', {type: 'button', ...(to < 0 || to >= pages ? {disabled: ''} : {})}, words);
        b.onclick = () => turn(to);
        return b;
    };
    return make('div', {class: 'bar'}, button('\u2190 before', page - 1), `${title} ${page + 1} of ${pages}`,
        button('next \u2192', page + 1));
}

// ---- the whole ----
find('title').textContent = data.title;
document.title = 'GRPO audit: ' + data.title;
const fact = (name, ...value) => [make('dt', {}, name), make('dd', {}, ...value)];
find('whole').append(make('dl', {class: 'facts'},
    ...fact('loss', `${text(data.loss, 9)} = policy ${text(data.policy_loss, 9)} + KL ${text(data.kl_loss, 9)}`),
    ...fact('counted', `N = ${text(data.N)} answers, L = ${text(data.L)} tokens`),
    ...fact('clipped', `${text(100 * data.clip_low, 4)} % below, ${text(100 * data.clip_high, 4)} % above`),
    ...fact('mean ratio', text(data.ratio_mean)),
    ...fact('mean KL', text(data.kl_mean)),
    ...fact('gradient', `${text(data.gradient_norm)}, the square root of the sum over tokens of (dloss/dlogp)\u00b2`),
    ...fact('in float', `as training computes it, the largest difference is ${text(data.float_difference, 3)} ` +
        '(relative above 1)')));
if (data.cut) find('whole').append(make('p', {class: 'bad'},
    'Somewhere a difference of log-probabilities is so large that exp of it is cut.'));
if (data.theirs) {
    const theirs = data.theirs, trainer = theirs.framework || 'The other trainer';
    const slopes = theirs.slopes ? ` dloss/dlogp of ${theirs.slopes} tokens differs by at most ` +
        `${text(theirs.slope_difference, 2)}, relative to the largest.` : '';
    find('whole').append(make('p', {class: theirs.equal ? 'good' : 'bad'}, theirs.equal
        ? `${trainer} computes the same: loss ${text(theirs.loss, 9)}.${slopes}`
        : `${trainer} computes something else: ${theirs.first_difference}.`));
}

// ---- settings and presets ----
find('formulas').append(
    make('table', {class: 'formulas'}, ...data.formulas.map(([name, of]) =>
        make('tr', {}, make('th', {}, name), make('td', {}, of)))),
    make('p', {class: 'soft'}, data.unlike_defaults ? 'Options unlike the defaults:' + data.unlike_defaults
        : 'All options are the defaults.'),
    make('details', {}, make('summary', {}, 'All options'), make('table', {class: 'settings'},
        ...Object.entries(data.options).map(([name, value]) =>
            make('tr', {}, make('th', {}, name), make('td', {}, String(value)))))));
find('presets').append(
    make('p', {class: 'soft'}, 'The answers of this page as a batch by themselves.'),
    table_of(['preset', 'loss', 'policy', 'KL', 'clipped', 'gradient'], data.presets.map(({name, figures}) =>
        make('tr', {}, make('th', {}, name), ...(figures ? cells('td', figures.map((x, i) =>
            i === 3 ? (100 * x).toFixed(2) + ' %' : text(x))) : [make('td', {colspan: 5}, 'needs logp_ref')]))),
    'dense'),
    make('details', {}, make('summary', {}, 'Whose they are'), make('dl', {class: 'sources'},
        ...data.presets.flatMap(({name, source}) => fact(name, source)))));

// ---- answers ----
const all = data.groups.flatMap((group, g) => group.answers.map((answer, i) => ({group, answer, g, i})));
let chosen = Math.max(0, all.findIndex(each => each.answer.counts));
const note_of = answer => [answer.truncated ? 'cut off' : '', answer.not_counted
    ? 'not in the loss: ' + answer.not_counted : ''].filter(Boolean).join(', ');

function draw_answers(page) {
    const pages = Math.max(1, Math.ceil(all.length / PAGE_OF_ANSWERS)), rows = [];
    all.slice(page * PAGE_OF_ANSWERS, (page + 1) * PAGE_OF_ANSWERS).forEach(({group, answer, i}, k) => {
        const at = page * PAGE_OF_ANSWERS + k;
        if (k === 0 || i === 0) rows.push(make('tr', {class: 'group'}, make('th', {colspan: 7},
            `${group.name} (mean ${text(group.mean)}` + (group.flat ? ', all equal: every advantage is 0)'
                : `, deviation ${text(group.deviation)})`))));
        const button = make('button', {type: 'button'}, answer.name);
        button.onclick = () => choose(at, true);
        rows.push(make('tr', at === chosen ? {class: 'chosen'} : {}, make('th', {}, button),
            ...cells('td', [text(answer.reward), signed(answer.advantage, 4), text(answer.logp.length),
                signed(answer.share, 4), text(answer.gradient, 4)]), make('td', {class: 'words'}, note_of(answer))));
    });
    const place = find('answers');
    place.replaceChildren(
        make('p', {class: 'soft'}, `${counted(all.length, 'answer')} in ${counted(data.groups.length, 'group')}. ` +
            "Of the loss: an answer's own part of it; gradient: the square root of the sum over its tokens of " +
            '(dloss/dlogp)\u00b2.'),
        table_of(['', 'reward', 'A', 'tokens', 'of the loss', 'gradient', ''], rows, 'dense'));
    if (pages > 1) place.append(pager('page', page, pages, draw_answers));
}

// ---- one answer ----
let largest = 0;
for (const {answer} of all) for (const slope of answer.dlogp) largest = Math.max(largest, Math.abs(slope));
const tint = slope => slope && largest ? `background: rgba(${slope < 0 ? '19,138,99' : '217,89,28'},` +
    `${(0.08 + 0.4 * Math.sqrt(Math.abs(slope) / largest)).toFixed(3)})` : '';
const token_text = (answer, t) => answer.tokens.length ? JSON.stringify(answer.tokens[t]).slice(1, -1) : '';

function token_rows(answer, page) {
    const has = key => answer[key].length > 0;
    return answer.logp.slice(page * PAGE_OF_TOKENS, (page + 1) * PAGE_OF_TOKENS).map((logp, k) => {
        const t = page * PAGE_OF_TOKENS + k;
        return make('tr', {style: tint(answer.dlogp[t])},
            make('th', {class: 'token'}, `${t + 1} ${token_text(answer, t)}`),
            ...cells('td', [text(logp), has('logp_old') ? text(answer.logp_old[t]) : '\u2013',
                has('logp_ref') ? text(answer.logp_ref[t]) : '\u2013', signed(answer.A[t], 4), text(answer.ratio[t]),
                signed(answer.policy[t], 5), text(answer.kl[t], 5), signed(answer.of_the_loss[t], 4),
                signed(answer.dlogp[t], 4)]),
            make('td', {class: 'words'}, answer.clipped[t]));
    });
}

function draw_answer(page) {
    const {group, answer} = all[chosen], place = find('answer');
    const pages = Math.max(1, Math.ceil(answer.logp.length / PAGE_OF_TOKENS));
    place.replaceChildren(pager('answer', chosen, all.length, at => choose(at, false)));
    place.append(make('p', {}, make('b', {}, `${answer.name} of ${group.name}`),
        ` has reward ${text(answer.given_reward)}` +
        (answer.reward === answer.given_reward ? '' : `, with penalties ${text(answer.reward)}`) +
        `, less the mean ${text(answer.reward - group.mean)}, advantage ${signed(answer.advantage)}, ` +
        `weight of a token ${text(answer.weight)}` + (note_of(answer) ? '; ' + note_of(answer) : '')));
    if (!answer.counts) return;
    if (!answer.logp.length) return place.append(make('p', {}, 'It is empty, and counts as an answer.'));
    place.append(make('p', {class: 'soft'}, 'Green: a step against the gradient raises the token; orange: it lowers ' +
        'it. The stronger, the larger |dloss/dlogp| beside the largest of all answers.'));
    if (answer.tokens.length) place.append(make('p', {class: 'answer card'}, ...answer.tokens.map((piece, t) =>
        make('span', {style: tint(answer.dlogp[t]), title: `token ${t + 1}: dloss/dlogp ${signed(answer.dlogp[t], 4)}`},
            piece))));
    place.append(table_of(['token', 'logp', 'logp_old', 'logp_ref', 'A', 'ratio', 'policy', 'KL', 'of the loss',
        'dloss/dlogp', ''], token_rows(answer, page), 'dense'));
    if (pages > 1) place.append(pager('tokens, page', page, pages, draw_answer));
}

function choose(at, scroll) {
    chosen = at;
    draw_answers(Math.floor(at / PAGE_OF_ANSWERS));
    draw_answer(0);
    if (scroll) find('one').scrollIntoView();
}
choose(chosen, false);
