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
const share = value => known(value) ? (100 * value).toFixed(1) + '\u00a0%' : '\u2013';
const short = (value, digits = 4) =>
    known(value) ? String(Number(value.toPrecision(digits))).replace('-', '\u2212') : '\u2013';

// A button that gives the user a file of comma-separated values.
function csv_button(title, name, text_of) {
    const button = make('button', {type: 'button', class: 'small', 'aria-label': `${name} as CSV`}, title);
    button.onclick = () => {
        const link = make('a', {download: name.replace(/[^\w.-]+/g, '_') + '.csv'});
        link.href = URL.createObjectURL(new Blob([text_of()], {type: 'text/csv'}));
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    };
    return button;
}
const csv_line = cells => cells.map(cell => {
    const text = cell === undefined || cell === null ? '' : String(cell);
    return /[",\n]/.test(text) ? '"' + text.replace(/"/g, '""') + '"' : text;
}).join(',') + '\n';
function columns_as_csv(columns) {
    const names = Object.keys(columns).sort((a, b) => (b === 'step') - (a === 'step'));
    const rows = Math.max(0, ...names.map(name => columns[name].length));
    return csv_line(names) +
        Array.from({length: rows}, (_, i) => csv_line(names.map(name => columns[name][i]))).join('');
}

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
