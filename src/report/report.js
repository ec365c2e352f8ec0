// ---- what the page is about, and what the runs came to ----
const STAGES = {pretrain: 'Pretraining', sft: 'Supervised fine-tuning', grpo: 'GRPO', 'reward-model': 'Reward model',
                training: 'Training'};
const run_named = name => data.runs.find(run => run.name === name);
// R1-Zero beside its base model, as scripts/demo.sh leaves them.
const is_zero = Boolean(run_named('zero') && run_named('base')) &&
    data.runs.every(run => ['base', 'zero', 'control'].includes(run.name));
const what_it_is = run => STAGES[run.stage] +
    (run.kinds.length ? ` on ${run.kinds.join(', ')} problems` : '');
const code = text => make('code', {}, text || '\u2013');

(function headline() {
    const one = data.runs.length === 1 && data.runs[0];
    const title = is_zero ? 'R1-Zero from nothing' : one ? `${what_it_is(one)}: ${one.name}`
        : `${data.runs.length} runs side by side`;
    document.title = title + ' \u2013 r1 report';
    find('title').textContent = title;
    find('introduction').textContent = is_zero
        ? 'A small mixture-of-experts model learned to think before it answers: pretrained from scratch, then ' +
          'trained by GRPO with rule rewards alone, as DeepSeek-R1-Zero was, and evaluated on problems that it never ' +
          'saw.'
        : '';

    // The figures that say how a stage went, in the last step.
    const last = run => ['reward', 'accuracy', 'loss'].filter(key => known(run.last[key]))
        .map(key => `${key} ${short(run.last[key])}`).join(', ') || '\u2013';
    const rows = data.runs.map(run => make('tr', {}, make('th', {class: 'name'}, run.name),
        make('td', {class: 'words'}, what_it_is(run)), make('td', {}, String(run.steps)),
        make('td', {class: 'words'}, last(run)),
        make('td', {}, known(run.seconds) ? run.seconds.toFixed(1) : '\u2013'),
        make('td', {class: 'words'}, run.weights ? code(run.weights.slice(0, 12) + '\u2026') : 'not ended'),
        make('td', {}, csv_button('CSV', `${run.name} metrics`, () => columns_as_csv(run.metrics)))));
    const heads = ['run', 'what it is', 'steps', 'last step', 'seconds', 'weights, SHA-256', 'metrics'];
    const verdict = make('dd', {}, data.golden_words);
    if (data.golden !== null) verdict.className = data.golden ? 'good' : 'bad';
    const facts = [];
    if (data.sha256) facts.push(make('dt', {}, 'weights'), make('dd', {}, code(data.sha256.weights)),
        make('dt', {}, 'metrics'), make('dd', {}, code(data.sha256.metrics)), make('dt', {}, 'one hash'), verdict);
    if (known(data.seconds.total))
        facts.push(make('dt', {}, 'time'), make('dd', {}, `${data.seconds.total.toFixed(1)} s in all`));
    find('runs').append(make('div', {class: 'card wide'},
        make('table', {}, make('thead', {}, make('tr', {}, ...heads.map((head, i) =>
            make('th', i === 1 || i === 3 || i === 5 ? {class: 'words'} : {}, head)))), make('tbody', {}, ...rows)),
        make('dl', {class: 'facts'}, ...facts)));
    for (const note of data.notes) find('notes').append(make('li', {}, note));
})();

(function evaluations() {
    const first = ['base', 'zero', 'control'].filter(name => data.evaluation[name]);
    const names = [...first, ...Object.keys(data.evaluation).filter(name => !first.includes(name))];
    if (!names.length) return;
    const titles = is_zero ? {base: 'base model', zero: 'R1-Zero', control: 'control: empty think'} : {};
    const votes = e => Object.keys(e).find(key => key.startsWith('majority_at_')) || '';
    const interval = e => Array.isArray(e.pass_at_1_interval)
        ? '95 %: ' + e.pass_at_1_interval.map(share).join(' to ').replace('\u00a0%', '') : '';
    const columns = [
        ['problems', e => known(e.problems) ? String(e.problems) : '\u2013', () => '', ''],
        ['pass@1', e => share(e.pass_at_1), interval, '15.6 \u2192 71.0 % [v1], 77.9 % [Nature]'],
        ['majority', e => share(e[votes(e)]), e => votes(e) ? 'of ' + votes(e).slice(12) : '', '86.7 %'],
        ['mean length, tokens', e => known(e.mean_length) ? e.mean_length.toFixed(1) : '\u2013', () => '', 'grows'],
        ['reflective share', e => share(e.reflective_share), () => '', 'words: 5 to 7 times'],
        ['truncated', e => share(e.truncated), () => '', 'not stated'],
        ['format kept', e => share(e.format), () => '', 'not stated']];
    const cell = (e, [, value, small], i) => {
        const td = make('td', i === 1 || i === 2 ? {class: 'main'} : {}, value(e));
        if (small(e)) td.append(make('small', {}, small(e)));
        return td;
    };
    const rows = names.map(name => make('tr', {}, make('th', {class: 'name'}, titles[name] || name),
        ...columns.map((column, i) => cell(data.evaluation[name], column, i))));
    if (is_zero) rows.push(make('tr', {class: 'soft'}, make('th', {}, 'the paper, AIME 2024'),
        ...columns.map(([, , , paper]) => make('td', {}, paper))));
    find('evaluations').append(make('h2', {}, 'Evaluations'),
        make('p', {class: 'soft'}, 'Intervals are Wilson\u2019s, over problems.'),
        make('div', {class: 'card wide'}, make('table', {}, make('thead', {}, make('tr', {}, make('th', {}, ''),
            ...columns.map(([title]) => make('th', {}, title)))), make('tbody', {}, ...rows))));
    if (is_zero) find('evaluations').append(make('p', {class: 'soft'}, 'The paper\u2019s figures [v1: arXiv ' +
        '2501.12948v1, Table 2; Nature: Table 2 and Fig. 1] are of a 671-billion-parameter model on another task: ' +
        'they show how much pure reinforcement learning gained there, and are no contest. The control learns under ' +
        'the same rewards but may not think: what it reaches, guessing reaches.'));
})();
