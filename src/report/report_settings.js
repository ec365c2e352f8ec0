// ---- what decided the results: the options and the inputs of each run ----
(function settings() {
    const runs = Object.entries(data.settings);
    if (!runs.length) return;
    const names = {base: 'pretraining', zero: 'R1-Zero', control: 'control'};
    const keys = part => [...new Set(runs.flatMap(([, record]) => Object.keys(record[part] || {})))];
    const option = (record, key) => {
        const value = (record.options || {})[key];
        return value === undefined || value === '' ? '\u2013' : String(value);
    };
    const input = (record, key) => {
        const file = (record.inputs || {})[key];
        return file ? file.path + ' (SHA-256 ' + String(file.sha256).slice(0, 12) + '\u2026)' : '\u2013';
    };
    const row = (key, value) => {
        const cells = runs.map(([, record]) => value(record, key));
        const differ = new Set(cells.filter(cell => cell !== '\u2013')).size > 1;
        return make('tr', {}, make('th', {}, key),
            ...cells.map(cell => make('td', differ ? {class: 'differs'} : {}, cell)));
    };
    find('settings').append(make('h2', {}, 'Settings'),
        make('p', {class: 'soft'}, 'Everything that can change a result. Where runs differ, the values stand out; runs ' +
            'with equal settings and inputs end with the same bytes.'),
        make('details', {class: 'card wide'}, make('summary', {}, 'options and inputs'),
            make('table', {class: 'settings'},
                make('thead', {}, make('tr', {}, make('th', {}, ''),
                    ...runs.map(([name]) => make('th', {}, names[name] || name)))),
                make('tbody', {}, ...keys('options').map(key => row(key, option)),
                    ...keys('inputs').map(key => row(key, input))))));
})();
