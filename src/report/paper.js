const stage_of = name => data.stages[name] || data.stages.students[name];
const mean = (name, key) => (data.means[name] || {})[key];
const plain = (value, digits = 1) => known(value) ? value.toFixed(digits) : '\u2013';
const VERDICTS = {'holds': 'good', 'does not hold': 'bad', 'not decided': 'open', 'not measured': 'absent'};

// ---- what the run came to ----
(function overview() {
    const counts = Object.entries(VERDICTS).map(([verdict, style]) => [verdict, style,
        data.rows.filter(row => row.verdict === verdict).length]).filter(([, , n]) => n);
    const golden = make('dd', {}, data.golden_words);
    if (data.golden !== null) golden.className = data.golden ? 'good' : 'bad';
    const seconds = Object.values(data.seconds).filter(known).reduce((a, b) => a + b, 0);
    const spent = seconds >= 3600 ? plain(seconds / 3600) + ' hours' : plain(seconds / 60) + ' minutes';
    find('overview').append(
        make('div', {class: 'counts'}, ...counts.map(([verdict, style, n]) =>
            make('span', {}, make('b', {class: style}, String(n)), verdict))),
        make('dl', {class: 'facts'}, make('dt', {}, data.folders.length > 1 ? 'seeds' : 'run'),
            make('dd', {}, make('code', {}, data.folders.join(', '))),
            make('dt', {}, 'golden hashes'), golden, make('dt', {}, 'time'), make('dd', {}, spent)));
    if (data.notes.length)
        find('notes').append(make('h2', {}, 'What is missing'),
            make('ul', {class: 'soft'}, ...data.notes.map(note => make('li', {}, note))));
})();

// ---- the table of stages ----
(function stages() {
    const seeds = data.folders.length;
    find('stages_words').textContent = 'On problems that were held out' +
        (seeds > 1 ? `; numbers are means of ${seeds} seeds, data and hashes are the first seed\u2019s.` : '.') +
        ' The paper\u2019s figures are of a 671-billion-parameter model on other tasks: they show what each stage ' +
        'did there, and are no contest.';
    const names = Object.keys(data.titles).filter(name => data.means[name]);
    const groups = prefix => [...new Set(names.flatMap(name => Object.keys(data.means[name])))]
        .filter(key => key.startsWith(prefix));
    const majorities = groups('majority_at_');
    const kept = stage => {
        const files = ((stage || {}).data_out || []).filter(f => known(f.kept) && known(f.of));
        return files.map(f => `${f.kept} of ${f.of}`).join(', ') || '\u2013';
    };
    const interval = (name, key) => {
        const of_seed = key === 'pass_at_1' ? ((stage_of(name) || {}).scores || {}).pass_at_1_interval
                                            : (stage_of(name) || {})[key + '_interval'];
        return seeds === 1 && Array.isArray(of_seed) && of_seed.every(known)
            ? [make('small', {}, of_seed.map(v => plain(100 * v)).join(' to '))] : [];
    };
    const number = (title, key, format = share, more = {}) => ({title, cell: name => {
        const value = mean(name, key);
        return make('td', more, format(value), ...(known(value) ? interval(name, key) : []));
    }});
    const text = (title, value) => ({title, left: true, cell: name =>
        make('td', {class: 'left'}, value(stage_of(name)) || '\u2013')});
    const code = hash => hash ? hash.slice(0, 12) : '';
    const paper_row = ['base', 'zero', 'dev1', 'dev2', 'dev3', 'r1'];
    const of_paper = metric => ({title: 'paper: ' + metric, cell: name => {
        const values = data.paper.find(([title]) => title === metric);
        return make('td', {class: 'soft'}, plain(values[1 + paper_row.indexOf(name)]));
    }});
    const numbers = [
        number('pass@1', 'pass_at_1', share, {class: 'score'}),
        ...majorities.map(key => number('majority of ' + key.slice(12), key)),
        of_paper('AIME 2024'), number('format', 'format'), of_paper('IF-Eval'), number('win rate', 'win_rate'),
        of_paper('AlpacaEval 2'), number('one language', 'language'), number('mixed, zh', 'mixed_chinese'),
        number('length', 'mean_length', plain), number('reflective', 'reflective_words', v => plain(v, 2)),
        number('equations right', 'equations'),
        ...groups('by_language/').map(key => number('pass@1, ' + key.slice(12), key)),
        ...groups('by_kind/').map(key => number(key.slice(8), key)),
        ...['reward_model/', 'judge/'].flatMap(prefix => groups(prefix).filter(key => key.endsWith('/accuracy'))
            .map(key => number('accuracy, ' + key.slice(prefix.length, -9), key)))];
    const origins = [
        text('starts from', s => s && s.starts_from), text('data in', s => s && s.data_in),
        text('data out', s => ((s && s.data_out) || []).map(f => f.file).join(', ')), text('kept of sampled', kept),
        number('minutes', 'minutes', plain),
        number('operations', 'operations', v => known(v) ? v.toExponential(1).replace('e+', 'e') : '\u2013'),
        text('SHA-256', s => s && code(s.sha256))];
    const is_student = name => name.startsWith('small-') || name.startsWith('large-');
    const has = (name, column) => column.cell(name).textContent !== '\u2013';
    function table(all, shown) {
        const columns = all.filter(column => shown.some(name => has(name, column)));
        const rows = shown.filter(name => columns.some(column => has(name, column)));
        const row = name => make('tr', {}, make('th', {}, data.titles[name]), ...columns.map(c => c.cell(name)));
        const students = rows.filter(is_student);
        const heading = make('tr', {class: 'group'}, make('th', {}, 'students'),
            make('td', {colspan: columns.length}));
        return make('div', {class: 'card wide'}, make('table', {},
            make('thead', {}, make('tr', {}, make('th', {}, ''),
                ...columns.map(c => make('th', c.left ? {class: 'left'} : {}, c.title)))),
            make('tbody', {}, ...rows.filter(name => !is_student(name)).map(row),
                ...(students.length ? [heading, ...students.map(row)] : []))));
    }
    find('stages').append(table(numbers, names), make('h3', {}, 'Where they come from'), table(origins, names));

    const stages_of_paper = ['base', 'R1-Zero', 'Dev1', 'Dev2', 'Dev3', 'R1'];
    find('stages').append(make('details', {class: 'card wide'},
        make('summary', {}, 'The paper\u2019s table [Nature Table 2; the base: R1v1 Table 2]'),
        make('table', {}, make('thead', {}, make('tr', {}, make('th', {}, ''),
            ...stages_of_paper.map(title => make('th', {}, title)))),
            make('tbody', {}, ...data.paper.map(([title, ...values]) => make('tr', {class: 'paper'},
                make('th', {}, title), ...values.map(v => make('td', {}, plain(v)))))))));
})();

// ---- how the stages follow from each other ----
(function lineage() {
    const W = 116, H = 44;
    // Boxes: name, title, column, row; the name of a file is one with a dot.
    const boxes = [
        ['base', 'base', 0, 1], ['zero', 'R1-Zero', 1, 0], ['zero-language', 'Zero + language', 2, 0],
        ['coldstart.jsonl', 'cold start', 2, 1], ['dev1', 'Dev1', 3, 1], ['dev2', 'Dev2', 4, 1],
        ['reasoning.jsonl', 'reasoning', 5, 1], ['sft.jsonl', 'SFT data', 5, 2], ['dev3', 'Dev3', 3, 3],
        ['dev3-random', 'Dev3, random', 2, 4], ['r1', 'R1', 5, 3], ['hacked', 'hacked', 6, 5],
        ['students', 'students', 6, 2], ['helpful', 'reward models', 4, 4]];
    const place = Object.fromEntries(boxes.map(([name, , column, row]) => [name, [12 + column * 140, 8 + row * 66]]));
    const present = name => name === 'students' ? Object.keys(data.stages.students).length > 0
        : name.includes('.') ? Object.values(data.stages).some(s => (s.data_out || []).some(f => f.file === name) ||
            s.data_in === name) : !!data.stages[name];
    const svg = draw('svg', {viewBox: '0 0 980 392', role: 'img', 'aria-label': 'how the stages follow'});
    const side = (name, dx, dy) => [place[name][0] + dx * W, place[name][1] + dy * H];
    const arrow = (points, words, at = [0, 0]) => {
        svg.append(draw('path', {d: 'M' + points.map(p => p.join(' ')).join('L')}));
        const [[x0, y0], [x, y]] = points.slice(-2), d = Math.hypot(x - x0, y - y0);
        const ux = (x - x0) / d * 7, uy = (y - y0) / d * 7;
        svg.append(draw('path', {class: 'head', d: `M${x} ${y}L${x - ux - uy / 2} ${y - uy + ux / 2}` +
            `L${x - ux + uy / 2} ${y - uy - ux / 2}Z`}));
        const [left, bottom, anchor = 'middle'] = at;
        if (words) svg.append(draw('text', {class: 'under', x: left, y: bottom, 'text-anchor': anchor}, words));
    };
    const across = (a, b, words) => {
        const from = side(a, 1, 0.5), to = side(b, 0, 0.5);
        arrow([from, to], words, [(from[0] + to[0]) / 2, from[1] - 5]);
    };
    const down = (a, b, words) => {
        const from = side(a, 0.5, 1), to = side(b, 0.5, 0);
        arrow([from, to], words, [from[0] + 5, (from[1] + to[1]) / 2 + 4, 'start']);
    };
    arrow([side('base', 0.5, 0), [side('base', 0.5, 0)[0], side('zero', 0, 0.5)[1]], side('zero', 0, 0.5)], 'RL',
        [side('base', 0.5, 0)[0] + 20, side('zero', 0, 0.5)[1] - 5, 'start']);
    across('zero', 'zero-language');
    arrow([side('zero', 0.5, 1), [side('zero', 0.5, 0)[0], side('coldstart.jsonl', 0, 0.75)[1]],
        side('coldstart.jsonl', 0, 0.75)], 'sampling',
        [side('zero', 0.5, 1)[0] + 5, side('zero', 0, 1)[1] + 14, 'start']);
    across('coldstart.jsonl', 'dev1', '');
    across('dev1', 'dev2', 'RL');
    across('dev2', 'reasoning.jsonl', '');
    down('reasoning.jsonl', 'sft.jsonl', '+ general');
    arrow([side('sft.jsonl', 0, 0.5), [side('dev3', 0.5, 0)[0], side('sft.jsonl', 0, 0.5)[1]], side('dev3', 0.5, 0)],
        'SFT', [side('dev3', 0.5, 0)[0] + 60, side('sft.jsonl', 0, 0.5)[1] - 5]);
    arrow([side('base', 0.5, 1), [side('base', 0.5, 1)[0], side('dev3', 0, 0.5)[1]], side('dev3', 0, 0.5)],
        'SFT, again from the base', [side('base', 0.5, 1)[0] + 14, side('dev3', 0, 0.5)[1] - 5, 'start']);
    arrow([side('base', 0.25, 1), [side('base', 0.25, 1)[0], side('dev3-random', 0, 0.5)[1]],
        side('dev3-random', 0, 0.5)], 'SFT, random answers',
        [side('base', 0.5, 1)[0] + 14, side('dev3-random', 0, 0.5)[1] - 5, 'start']);
    across('dev3', 'r1', 'RL for all scenarios');
    // What students learn from and where the hacked run begins are choices of the script.
    const taught = Object.values(data.stages.students).some(s => s.data_in === 'sft.jsonl');
    if (taught) across('sft.jsonl', 'students', 'SFT');
    else arrow([side('r1', 1, 0.25), [side('students', 0.5, 1)[0], side('r1', 1, 0.25)[1]], side('students', 0.5, 1)],
        'SFT', [side('r1', 1, 0.25)[0] + 14, side('r1', 1, 0.25)[1] - 5, 'start']);
    if ((data.stages.hacked || {}).starts_from === 'dev3') {
        const turn = side('dev3', 0.75, 1)[0];
        arrow([side('dev3', 0.75, 1), [turn, side('hacked', 0, 0.5)[1]], side('hacked', 0, 0.5)],
            'RL for helpfulness alone, for too long', [turn + 10, side('hacked', 0, 0.5)[1] - 5, 'start']);
    } else arrow([side('r1', 0.75, 1), [side('r1', 0.75, 1)[0], side('hacked', 0, 0.5)[1]], side('hacked', 0, 0.5)]);
    arrow([side('helpful', 1, 0.5), [side('r1', 0.5, 1)[0], side('helpful', 0, 0.5)[1]], side('r1', 0.5, 1)],
        'helpful, safe', [side('helpful', 1, 0.5)[0] + 8, side('helpful', 0, 0.5)[1] - 5, 'start']);
    for (const [name, title] of boxes) {
        const [x, y] = place[name], stage = data.stages[name] || {};
        const file = Object.values(data.stages).flatMap(s => s.data_out || []).find(f => f.file === name) || {};
        const under = name.includes('.') ? (known(file.kept) ? `${file.kept} of ${file.of}` : name)
            : known(mean(name, 'pass_at_1')) ? 'pass@1 ' + share(mean(name, 'pass_at_1'))
            : name === 'students' ? Object.keys(data.stages.students).length + ' runs' : '';
        const box = draw('g', {class: (name.includes('.') ? 'file' : 'run') + (present(name) ? '' : ' absent')},
            draw('rect', {x, y, width: W, height: H, rx: 6}),
            draw('text', {x: x + W / 2, y: y + (under ? 19 : 26), 'text-anchor': 'middle'}, title),
            draw('text', {class: 'under', x: x + W / 2, y: y + 34, 'text-anchor': 'middle'}, under));
        box.onpointermove = box.onpointerdown = event => show_tip(event, title, [
            ['starts from', stage.starts_from || '\u2013'], ['data in', stage.data_in || '\u2013'],
            ['SHA-256', (stage.sha256 || '\u2013').slice(0, 24)]].filter(([, value]) => value !== '\u2013'));
        box.onpointerleave = hide_tip;
        svg.append(box);
    }
    find('lineage').append(svg);
})();

// ---- the claims ----
(function claims() {
    const seeds = data.folders.length;
    find('claims_words').textContent = 'A claim holds if the 95 % interval over problems' +
        (seeds > 1 ? ' and seeds, and every seed,' : '') + ' lies on its side of the threshold; it does not hold if ' +
        'the interval lies wholly on the other side; otherwise it is not decided. The strip shows the interval, ' +
        (seeds > 1 ? 'the seeds as dots, ' : '') + 'and the claimed side in green.';
    const amount = (row, value) => {
        if (!known(value)) return '\u2013';
        const digits = !value ? '0' : row.is_share ? plain(100 * value) : short(value, 3);
        return (value > 0 ? '+' : '') + digits.replace('-', '\u2212');
    };

    function strip(row) {
        const width = 230, height = 40, seeds_at = row.seeds.filter(known), bounds = row.claimed.filter(known);
        const values = [...row.interval, ...seeds_at, ...bounds, 0];
        let low = Math.min(...values), high = Math.max(...values);
        const margin = (high - low || 1) * 0.12;
        low -= margin, high += margin;
        const X = x => (x - low) / (high - low) * width, y = 14;
        const svg = draw('svg', {viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': 'the interval'});
        const [from, to] = row.claimed;
        const left = known(from) ? X(from) : 0, right = known(to) ? X(to) : width;
        svg.append(draw('rect', {x: left, y: 2, width: right - left, height: 24, fill: 'var(--good)', opacity: 0.13}));
        for (const bound of bounds) {
            svg.append(draw('line', {x1: X(bound), x2: X(bound), y1: 2, y2: 26, stroke: 'var(--good)'}));
            const anchor = X(bound) < 24 ? 'start' : X(bound) > width - 24 ? 'end' : 'middle';
            svg.append(draw('text', {x: X(bound), y: 38, fill: 'var(--soft)', 'text-anchor': anchor},
                amount(row, bound) + (row.is_share && bound ? ' points' : '')));
        }
        svg.append(draw('line', {x1: X(row.interval[0]), x2: X(row.interval[1]), y1: y, y2: y, stroke: 'var(--blue)',
                                 'stroke-width': 3, 'stroke-linecap': 'round'}));
        if (seeds_at.length > 1) for (const value of seeds_at)
            svg.append(draw('circle', {cx: X(value), cy: y, r: 3, fill: 'var(--card)', stroke: 'var(--blue)'}));
        svg.append(draw('circle', {cx: X(row.quantity), cy: y, r: 4.5, fill: 'var(--blue)'}));
        return svg;
    }
    const fact = (name, value) => [make('dt', {}, name), make('dd', {}, value)];
    find('claims').append(...data.rows.map(row => make('article', {class: 'claim'},
        make('div', {}, make('b', {}, row.id),
            make('p', {class: 'verdict ' + VERDICTS[row.verdict]}, row.verdict)),
        make('div', {}, make('p', {}, row.claim + '.'), make('p', {class: 'soft test'}, 'Test: ' + row.test + '.')),
        make('dl', {}, ...fact('paper', row.paper.replace('->', '\u2192')),
            ...(row.ours ? fact('ours', row.ours.replace('->', '\u2192')) : []),
            ...(row.interval ? fact('so', `${amount(row, row.quantity)}, 95 %: ${amount(row, row.interval[0])} to ` +
                amount(row, row.interval[1])) : []),
            ...(row.seeds.length > 1 ? fact('seeds', row.seeds.map(v => amount(row, v)).join(', ')) : [])),
        row.interval ? strip(row) : make('span', {}))));
})();

// ---- hashes and seconds ----
(function hashes() {
    const names = Object.keys(data.titles).filter(stage_of);
    const others = Object.keys(data.seconds).filter(name => !names.includes(name));
    const seconds = name => known(data.seconds[name]) ? data.seconds[name].toFixed(0) : '\u2013';
    find('hashes').append(make('table', {class: 'settings'},
        make('thead', {}, make('tr', {}, make('th', {}, ''), make('th', {}, 'seconds'),
            make('th', {}, 'SHA-256 of model.safetensors'))),
        make('tbody', {}, ...names.map(name => make('tr', {}, make('th', {}, name), make('td', {}, seconds(name)),
            make('td', {}, make('code', {}, stage_of(name).sha256 || '\u2013')))),
            ...others.map(name => make('tr', {}, make('th', {}, name), make('td', {}, seconds(name)),
                make('td', {}, ''))))));
})();
