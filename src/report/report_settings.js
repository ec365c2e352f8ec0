// ---- what decided the results: the options and the inputs of each run ----
// runs: [{name, settings: options.json or null, start: a line of starts.jsonl or null}].
function settings_table(place, all_runs) {
    const runs = all_runs.filter(run => run.settings);
    if (!runs.length) return;
    const keys = part => [...new Set(runs.flatMap(run => Object.keys(run.settings[part] || {})))];
    const shown = value => value === undefined || value === null || value === '' ? '\u2013' : String(value);
    const option = (run, key) => shown((run.settings.options || {})[key]);
    const input = (run, key) => {
        const file = (run.settings.inputs || {})[key];
        return file ? file.path + ' (SHA-256 ' + String(file.sha256).slice(0, 12) + '\u2026)' : '\u2013';
    };
    const digest = (run, key) => ((run.settings.inputs || {})[key] || {}).sha256;
    const start = (run, key) => shown((run.start || {})[key]);
    // [name, values, whether they differ between runs that have them]
    const row = (key, value, same = value) => {
        const there = runs.map(run => same(run, key)).filter(each => each !== undefined && each !== '\u2013');
        return [key, runs.map(run => value(run, key)), new Set(there).size > 1];
    };
    const begun = ['version', 'commit', 'compiler', 'device', 'threads'];
    const rows = [...keys('options').map(key => row(key, option)),
        ...keys('inputs').map(key => row(key, input, digest)),
        ...begun.filter(key => runs.some(run => (run.start || {})[key])).map(key => row(key, start))];
    const only = make('input', {type: 'checkbox', ...(runs.length > 1 && {checked: ''})}), body = make('tbody', {});
    function fill() {
        const chosen = rows.filter(([, , differs]) => differs || !only.checked);
        body.replaceChildren(...chosen.map(([key, cells, differs]) => make('tr', {}, make('th', {}, key),
            ...cells.map(cell => make('td', differs ? {class: 'differs'} : {}, cell)))));
        if (!chosen.length) body.append(make('tr', {}, make('th', {}, 'nothing differs')));
    }
    only.onchange = fill;
    fill();
    place.append(make('h2', {}, 'Settings'),
        make('p', {class: 'soft'}, 'Options and inputs are everything that can change a result: runs in which they ' +
            'are equal end with the same bytes. Where runs differ, the values stand out. The device and the number ' +
            'of threads change nothing.'),
        make('details', {class: 'card wide', ...(runs.length > 1 && {open: ''})},
            make('summary', {}, 'options, inputs, program'),
            ...(runs.length > 1 ? [make('label', {class: 'bar'}, only, ' only what differs')] : []),
            make('table', {class: 'settings'},
                make('thead', {}, make('tr', {}, make('th', {}, ''), ...runs.map(run => make('th', {}, run.name)))),
                body)));
}
