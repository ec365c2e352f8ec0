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
