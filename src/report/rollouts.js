// ---- rollouts, token by token ----
// The viewer goes into `place`; all_lines are those of a rollouts.jsonl.
function rollouts_viewer(place, all_lines) {
    const lines = all_lines.filter(a => Array.isArray(a.pieces));
    if (!lines.length) return;
    const unique = list => [...new Set(list)].sort((a, b) => a < b ? -1 : a > b ? 1 : 0);
    const group = () => lines.filter(a => a.step === state.step && a.prompt_index === state.group);
    const groups = () => unique(fitting.filter(a => a.step === state.step).map(a => a.prompt_index));
    const steps = () => unique(fitting.map(a => a.step));
    const state = {step: 0, group: 0, answer: 0, color: 'advantage', words: '', only: 'all'};

    // A search shows the groups that have an answer which it finds, and goes to the first of these answers.
    const ONLY = {all: () => true, right: a => a.accuracy > 0, wrong: a => !(a.accuracy > 0),
                  'cut off': a => !a.finished, 'not in form': a => !(a.format > 0),
                  'above the group': a => a.advantage > 0, 'below the group': a => a.advantage < 0};
    for (const kind of unique(lines.map(a => a.kind).filter(Boolean))) ONLY['kind: ' + kind] = a => a.kind === kind;
    const fits = a => ONLY[state.only](a) && (!state.words || [a.prompt, a.reason, a.pieces.join('')].some(text =>
        String(text).toLowerCase().includes(state.words)));
    let fitting = lines;
    function go_to(step, wanted) {
        state.step = step === undefined ? steps()[steps().length - 1] : step;
        state.group = wanted === undefined ? groups()[0] : wanted;
        state.answer = Math.max(0, group().findIndex(fits));
    }
    function search() {
        fitting = lines.filter(fits);
        if (fitting.length) go_to(steps().includes(state.step) ? state.step : undefined);
        render();
    }
    go_to();

    // What is known of token t of answer a. Recorded numbers have 5 digits.
    function token(a, t) {
        const at = key => Array.isArray(a[key]) && known(a[key][t]) ? a[key][t] : NaN;
        const logp = at('logp'), logp_old = at('logp_old'), logp_ref = at('logp_ref'), d = logp_ref - logp;
        return {logp, logp_old, logp_ref, entropy: at('entropy'), advantage: a.advantage,
                ratio: Math.exp(logp - logp_old), kl: Math.expm1(d) - d, probability: Math.exp(logp_old)};
    }
    const largest = (answers, of) => answers.reduce((most, a) =>
        a.pieces.reduce((m, _, t) => Math.max(m, of(token(a, t)) || 0), most), 0);

    // A choice of colour: amount(token) in -1 .. 1 under the scale of its group; the first hue is that of negatives.
    const RED = '217,72,49', BLUE = '42,120,214', AMBER = '222,140,20', VIOLET = '128,96,214';
    const colors = {
        advantage: {
            title: 'advantage', hues: [RED, BLUE],
            words: 'the same for all tokens of an answer: its reward against its group',
            scale: answers => answers.reduce((most, a) => Math.max(most, Math.abs(a.advantage) || 0), 1e-3),
            amount: (k, s) => k.advantage / s, low: s => short(-s, 3), high: s => '+' + short(s, 3)},
        ratio: {
            title: 'ratio', hues: [RED, BLUE],
            words: '\u03c0 / \u03c0_old when the answer was learned from; exactly 1 in the first update of a rollout',
            scale: answers => Math.max(0.01, largest(answers, k => Math.abs(Math.log(k.ratio)))),
            amount: (k, s) => Math.log(k.ratio) / s,
            low: s => short(Math.exp(-s), 3), high: s => short(Math.exp(s), 3)},
        kl: {
            title: 'KL', hues: [AMBER, AMBER],
            words: 'k3 = exp(d) \u2212 d \u2212 1, d = log \u03c0_ref \u2212 log \u03c0: where it left the reference',
            scale: answers => Math.max(1e-6, largest(answers, k => k.kl)),
            amount: (k, s) => Math.max(0, k.kl) / s, low: () => '0', high: s => short(s, 3)},
        probability: {
            title: 'probability', words: '\u03c0_old of the sampled token: dark is a surprise', hues: [VIOLET, VIOLET],
            scale: () => 1, amount: k => 1 - k.probability, low: () => '1', high: () => '0'},
        entropy: {
            title: 'entropy', words: 'nats: how open the choice of this token was', hues: [AMBER, AMBER],
            scale: answers => Math.max(1e-3, largest(answers, k => k.entropy)),
            amount: (k, s) => k.entropy / s, low: () => '0', high: s => short(s, 3)}};
    const paint = (choice, amount) => !known(amount) ? 'transparent'
        : `rgba(${choice.hues[amount < 0 ? 0 : 1]},${(0.62 * Math.min(1, Math.abs(amount))).toFixed(3)})`;

    const picker = (title, change) => {
        const select = make('select', {'aria-label': title});
        select.onchange = () => change(Number(select.value));
        return select;
    };
    const step_select = picker('step', v => { go_to(v); render(); });
    const group_select = picker('group', v => { go_to(state.step, v); render(); });
    const only_select = make('select', {'aria-label': 'which answers'},
        ...Object.keys(ONLY).map(name => make('option', {value: name}, name)));
    only_select.onchange = () => { state.only = only_select.value; search(); };
    const SEARCH = 'words in prompt or answer';
    const words_input = make('input', {type: 'search', 'aria-label': SEARCH, placeholder: SEARCH});
    words_input.oninput = () => { state.words = words_input.value.toLowerCase(); search(); };
    const count = make('span', {class: 'soft', role: 'status'});
    const buttons = make('span', {class: 'buttons'}, ...Object.entries(colors).map(([name, choice]) => {
        const button = make('button', {type: 'button', 'data-color': name}, choice.title);
        button.onclick = () => { state.color = name; render(); };
        return button;
    }));
    const list = make('div', {class: 'answers', role: 'list', 'aria-label': 'answers of the group'});
    const legend = make('div', {class: 'bar'}), verdict = make('dl', {class: 'facts'});
    const prompt = make('p', {class: 'prompt'}), text = make('p', {class: 'answer'});
    place.append(make('h2', {}, 'Answers, token by token'),
        make('p', {class: 'soft'}, 'Groups of answers to one prompt as they were sampled, with the numbers that the ' +
            'loss was computed from. Arrow keys go through the answers; point at a token for all its numbers.'),
        make('div', {class: 'bar'}, make('label', {}, 'answers ', only_select), words_input, count),
        make('div', {class: 'bar'}, make('label', {}, 'step ', step_select), make('label', {}, 'group ', group_select),
            make('span', {}, 'colour ', buttons)),
        make('div', {class: 'browser'}, list, make('div', {class: 'card'}, prompt, text, legend, verdict)));

    const signed = a => !known(a) ? '\u2013' : a > 0 ? '\u25b2 +' + a.toFixed(2)
                      : a < 0 ? '\u25bc \u2212' + (-a).toFixed(2) : '= 0';
    const options = (select, values, chosen) => {
        select.replaceChildren(...values.map(v => make('option', {value: v}, String(v))));
        select.value = chosen;
    };

    function explain(event) {
        const t = Number(event.target.dataset.t), a = group()[state.answer], k = token(a, t);
        show_tip(event, `token ${t + 1} of ${a.pieces.length}: ${JSON.stringify(a.pieces[t])}`, [
            ['probability, \u03c0_old', short(k.probability)], ['log \u03c0_old', short(k.logp_old, 5)],
            ['log \u03c0', short(k.logp, 5)], ['log \u03c0_ref', short(k.logp_ref, 5)],
            ['ratio \u03c0 / \u03c0_old', short(k.ratio, 5)], ['KL (k3)', short(k.kl)],
            ['entropy', short(k.entropy)], ['advantage', short(k.advantage)]]);
    }

    function render() {
        hide_tip();
        count.textContent = `${fitting.length} of ${lines.length} answers`;
        const answers = group(), a = answers[state.answer];
        const choice = colors[state.color], scale = choice.scale(answers);
        options(step_select, steps(), state.step), options(group_select, groups(), state.group);
        for (const button of buttons.children)
            button.setAttribute('aria-pressed', button.dataset.color === state.color);
        list.replaceChildren(...answers.map((b, i) => {
            const button = make('button', {type: 'button', 'aria-current': i === state.answer,
                                           ...(!fits(b) && {class: 'dim'})},
                make('span', {class: 'soft'}, '#' + b.sample),
                make('span', {}, known(b.reward) ? b.reward.toFixed(2) : '\u2013'),
                make('span', {class: b.advantage > 0 ? 'good' : b.advantage < 0 ? 'bad' : 'soft'},
                    signed(b.advantage)));
            button.onclick = () => { state.answer = i; render(); };
            return button;
        }));
        prompt.textContent = a.prompt;
        text.replaceChildren(...a.pieces.map((piece, t) => {
            const background = 'background:' + paint(choice, choice.amount(token(a, t), scale));
            const span = make('span', {'data-t': t, style: background}, String(piece).replace(/\n/g, '\u21b5\n'));
            span.onpointerenter = span.onpointerdown = explain;
            span.onpointerleave = hide_tip;
            return span;
        }));
        const one_sided = choice.hues[0] === choice.hues[1];
        const stops = Array.from({length: 9}, (_, i) => paint(choice, one_sided ? i / 8 : i / 4 - 1));
        legend.replaceChildren(make('span', {class: 'scale'}, choice.low(scale),
            make('i', {style: `background:linear-gradient(90deg,${stops.join(',')})`}), choice.high(scale)),
            make('span', {class: 'soft'}, choice.title + ': ' + choice.words));
        const effect = a.advantage > 0 ? 'above its group: each of its tokens is made more likely'
            : a.advantage < 0 ? 'below its group: each of its tokens is made less likely'
            : 'no better or worse than its group: its policy term is exactly 0';
        const row = (name, ...content) => [make('dt', {}, name), make('dd', {}, ...content)];
        verdict.replaceChildren(
            ...(a.kind ? row('kind', String(a.kind)) : []),
            ...row('reward', `${short(a.reward)}: accuracy ${short(a.accuracy)} ` +
                `(${a.accuracy > 0 ? 'right' : 'not right'}), format ${short(a.format)} ` +
                `(${a.format > 0 ? 'kept' : 'not kept'})`),
            ...row('grader', String(a.reason)),
            ...row('advantage', `${signed(a.advantage)}, ${effect}`),
            ...row('length', `${a.pieces.length} tokens, ${a.finished ? 'ended by itself' : 'cut off at the limit'}`),
            ...row('problem', Object.entries(a.problem || {}).map(([k, v]) => `${k} ${Array.isArray(v) ? v.join(', ') : v}`).join('; ')));
    }

    addEventListener('keydown', event => {
        if (!list.isConnected) return;  // another viewer has taken its place
        if (['SELECT', 'INPUT'].includes(event.target.tagName)) return;
        if (event.ctrlKey || event.altKey || event.metaKey) return;
        const inside = place.contains(document.activeElement);
        const move = {ArrowRight: 1, ArrowLeft: -1, ...(inside && {ArrowDown: 1, ArrowUp: -1})}[event.key];
        if (!move) return;
        event.preventDefault();
        state.answer = (state.answer + move + group().length) % group().length;
        render();
        list.children[state.answer].focus({preventScroll: !inside});
    });
    render();
}

// The viewer for one of several runs.
function rollouts_of_runs(place, runs) {
    const recorded = runs.filter(run => run.rollouts.some(a => Array.isArray(a.pieces)));
    const viewer = make('div', {}), select = make('select', {'aria-label': 'run'},
        ...recorded.map((run, i) => make('option', {value: i}, run.name)));
    const show = () => {
        viewer.replaceChildren();
        rollouts_viewer(viewer, recorded[Number(select.value)].rollouts);
    };
    select.onchange = show;
    if (!recorded.length) return;
    const choice = make('div', {class: 'bar'}, make('label', {}, 'answers of the run ', select));
    place.append(...(recorded.length > 1 ? [choice] : []), viewer);
    show();
}
