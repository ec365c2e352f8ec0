// ---- the stages' answers to the same problems, side by side ----
(function answers() {
    const sets = Object.entries(data.answers).filter(([, by_stage]) => Object.keys(by_stage).length);
    if (!sets.length) return;
    const set_select = make('select', {'aria-label': 'prompts'}), select = make('select', {'aria-label': 'number'});
    const prompt = make('p', {class: 'prompt'}), side = make('div', {class: 'side'});
    for (const [name] of sets) set_select.append(make('option', {value: name}, name));
    find('answers').append(make('h2', {}, 'The same prompts, stage by stage'),
        make('p', {class: 'soft'}, 'The first answer of each stage to prompts that none of them has learned from.'),
        make('div', {class: 'bar'}, make('label', {}, 'prompts ', set_select), make('label', {}, 'number ', select)),
        prompt, side);
    function render() {
        const by_stage = data.answers[set_select.value];
        const names = Object.keys(data.titles).filter(name => by_stage[name]);
        const most = Math.max(...names.map(name => by_stage[name].length));
        const chosen = Math.min(Number(select.value) || 0, most - 1);
        select.replaceChildren(...Array.from({length: most}, (_, i) => make('option', {value: i}, String(i + 1))));
        select.value = chosen;
        const first = names.map(name => by_stage[name][chosen]).find(sample => sample) || {};
        prompt.textContent = String(first.prompt);
        side.replaceChildren(...names.filter(name => by_stage[name][chosen]).map(name => {
            const sample = by_stage[name][chosen], right = sample.accuracy > 0;
            const words = (known(sample.accuracy) ? (right ? 'right' : 'wrong') : '') +
                (known(sample.language) ? `, ${share(sample.language)} in its language` : '');
            return make('div', {class: 'card'}, make('h3', {}, data.titles[name]),
                make('p', {class: right ? 'good' : 'soft'}, words),
                make('p', {class: 'answer'}, String(sample.response)));
        }));
    }
    set_select.onchange = select.onchange = render;
    render();
})();

// ---- the first examples of each data set ----
(function data_samples() {
    const examples = Object.entries(data.samples.data).flatMap(([file, list]) => list.map(example => [file, example]));
    if (!examples.length && data.world === null) return;
    find('data_samples').append(make('h2', {}, 'What the stages learned from'),
        make('p', {class: 'soft'}, 'The first lines of each data set.'),
        make('div', {class: 'pairs'}, ...examples.map(([file, example]) => make('div', {class: 'card pair'},
            make('h3', {}, file), make('p', {class: 'prompt'}, String(example.prompt)),
            make('p', {class: 'answer'}, String(example.response))))));
    if (data.world !== null)
        find('data_samples').append(make('details', {class: 'card'}, make('summary', {}, 'What the world has'),
            make('p', {class: 'answer'}, JSON.stringify(data.world, null, 2))));
})();

// ---- the rollouts of one run at a time ----
(function rollouts() {
    const runs = Object.entries(data.samples.rollouts).filter(([, lines]) => lines.some(a => Array.isArray(a.pieces)));
    if (!runs.length) return;
    const viewer = make('div', {}), buttons = make('span', {class: 'buttons'}, ...runs.map(([name, lines]) => {
        const button = make('button', {type: 'button'}, data.titles[name]);
        button.onclick = () => {
            for (const other of buttons.children) other.setAttribute('aria-pressed', other === button);
            viewer.replaceChildren();
            rollouts_viewer(viewer, lines);
            if (runs.length > 1) viewer.querySelector('p').after(bar);
        };
        return button;
    }));
    const bar = make('div', {class: 'bar'}, 'run ', buttons);
    find('rollouts').append(viewer);
    buttons.children[0].click();
})();
