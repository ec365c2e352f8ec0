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
