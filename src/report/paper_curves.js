// ---- curves ----
(function curves() {
    const COLORS = ['blue', 'green', 'orange', 'violet', 'level', 'bad'];
    const SHARE = {unit: 'share'};
    const section = (title, words) => {
        const place = make('div', {class: 'charts'});
        const heading = make('h2', {}, title), text = make('p', {class: 'soft'}, words);
        return {place, show: () => { if (place.children.length) find('curves').append(heading, text, place); }};
    };
    const line = (lines, name, color, key) =>
        ({name, color, points: stretches(lines.map(m => ({x: m.step, y: m[key]})), 400).means});

    // What a run's evaluations on the way say of each kind; without them what its metrics say of each.
    function by_kind(name, lines) {
        const held_out = data.held_out[name] || [];
        const kinds = [...new Set(held_out.flatMap(m => Object.keys(m.by_kind || {})))];
        const keys = [...new Set(lines.flatMap(m => Object.keys(m)))].filter(key => key.startsWith('accuracy_'));
        if (kinds.length) return kinds.map((kind, i) => ({name: kind, color: COLORS[i % COLORS.length],
            points: held_out.map(m => ({x: m.step, y: ((m.by_kind || {})[kind] || {}).pass_at_1}))}));
        return keys.map((key, i) => line(lines, key.slice(9), COLORS[i % COLORS.length], key));
    }

    function reinforcement(name, title, words) {
        const lines = data.metrics[name], rewarded = data.metrics['zero-language'] || [];
        if (!lines) return;
        const {place, show} = section(title, words);
        const add = (heading, series, expected, more) => chart({place, title: heading, series, expected, ...more});
        const parts = [['reward', 'blue', 'reward'], ['accuracy', 'green', 'accuracy'], ['format', 'orange', 'format'],
            ['helpful, by the model', 'violet', 'preference_helpful'],
            ['safe, by the model', 'level', 'preference_safe']];
        add('Reward and its parts', parts.map(([part, color, key]) => line(lines, part, color, key)),
            'The reward is what is maximised; its parts show by what.');
        add('Accuracy by kind', by_kind(name, lines), 'Kinds of problem that are easy to check rise first.', SHARE);
        add('Mean length of an answer, tokens', [line(lines, 'all', 'blue', 'length'),
            line(lines, 'finished', 'green', 'finished_length')],
            'R1-Zero\u2019s grows, because trying and checking more pays; finished answers alone show that this is ' +
            'not rambling up to the limit.');
        add('Reasoning in the prompt\u2019s language', [line(lines, 'share of words', 'blue', 'language'),
            line(lines, 'on Chinese prompts', 'orange', 'language_zh'),
            ...(name === 'zero' ? [line(rewarded, 'share where it is rewarded', 'green', 'language')] : [])],
            'Falls where nothing rewards it, and stays near 1 where it is rewarded.', SHARE);
        add('Reflective words an answer', [line(lines, 'words', 'blue', 'reflective_words')],
            'The paper counts 5 to 7 times as many at the end as at the start [R1v2 C.2].');
        show();
    }
    reinforcement('zero', 'Curves of R1-Zero', 'One step is one rollout. Point at a chart for its numbers.');
    reinforcement('dev2', 'Curves of Dev2', 'Reinforcement learning on problems, after the cold start.');
    reinforcement('r1', 'Curves of R1', 'Reinforcement learning for all scenarios, the last stage.');

    const {rl, best_of} = data.hacking;
    const {place, show} = section('A reward that is hacked',
        'The reward model of helpfulness is used for longer than it is good for. What it says (the proxy) and what ' +
        'is true (the rubric) stand against the square root of the KL divergence of an answer from the start: for ' +
        'reinforcement learning KL a token times length, for the best of n answers ln n \u2212 (n \u2212 1) / n.');
    const points = (list, x, y) => list.map(p => ({x: x(p), y: p[y]})).sort((a, b) => a.x - b.x);
    const root = p => Math.sqrt(Math.max(0, p.kl)), proxy = p => p.proxy;
    const both = (x, y) => [
        {name: 'reinforcement learning', color: 'blue', dots: true, points: points(rl, x, y)},
        {name: 'best of n', color: 'orange', dots: true, points: points(best_of, x, y)}];
    const SHAPE = {place, from_data: true, fractions: true};
    chart({...SHAPE, title: 'Proxy: what the reward model says', series: both(root, 'proxy'), x: '\u221aKL',
        expected: 'Both rise.'});
    chart({...SHAPE, title: 'Gold: the true score', series: both(root, 'gold'), x: '\u221aKL',
        expected: 'Rises at first; reinforcement learning then turns down: the reward is hacked.'});
    chart({...SHAPE, title: 'Gold against proxy', series: both(proxy, 'gold'), x: 'proxy',
        expected: 'At equal proxy the one that lies higher is hacked less.'});
    show();
})();
