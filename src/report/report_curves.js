// ---- curves ----
// What each stage's charts show. keys: [column of the metrics, its name]; held_out: [column of evaluations.jsonl, its
// name, column of its interval]; from: timings, in place of metrics. In place of a column may stand a pattern, for all
// columns whose names it fits, or a function of a step's row.
const SHARE = {unit: 'share'};
const LEARNING = [
    {title: 'Learning rate', keys: [['learning_rate', 'learning rate']],
     expected: 'rises during the warm-up, and falls as the schedule says.'},
    {title: 'Gradient norm, before clipping', keys: [['gradient_norm', 'gradient norm']],
     expected: 'of one size throughout; single spikes are cut by the clipping, a lasting climb comes before a ' +
         'collapse.'},
    {title: 'Load of the busiest expert', keys: [['load_max', 'busiest expert'], ['expert_load_max', 'busiest expert']],
     expected: 'its share of the tokens as a multiple of an equal share: 1 is a perfect balance.', from_data: true},
    {title: 'Seconds a step', from: 'timings',
     keys: [['seconds', 'all'], ['sample_seconds', 'sampling'], ['train_seconds', 'learning']],
     expected: 'even, or growing with the length of what is learned from.'},
    {title: 'Tokens a second', from: 'timings', keys: [[row => row.tokens / row.seconds, 'learned tokens a second']],
     expected: 'even; it falls while something else uses the machine.'}];
const LOSS = {title: 'Loss, nats per token', keys: [['loss', 'loss']], held_out: [['loss', 'held out']],
              from_data: true, height: 300};
const CHARTS = {
    pretrain: [
        {...LOSS, expected: 'falls steeply, then slowly, and flattens as the schedule ends.'},
        {title: 'Balance loss', keys: [['balance_loss', 'balance loss']], expected: 'small and even.'}, ...LEARNING],
    sft: [{...LOSS, expected: 'falls; where the held-out loss rises again, the examples are being learned by heart.'},
          ...LEARNING],
    training: [{...LOSS, expected: 'falls.'}, ...LEARNING],
    'reward-model': [
        {...LOSS, title: 'Loss', expected: 'falls: of pairs \u2212log \u03c3(r_chosen \u2212 r_rejected), which is ' +
            '0.69 for a guess.'},
        {title: 'Accuracy', keys: [['accuracy', 'training']], held_out: [['accuracy', 'held out']], ...SHARE,
         expected: 'rises from a half; the held-out points say what it is worth.'},
        {title: 'Margin', keys: [['margin', 'margin']],
         expected: 'grows: the reward of the chosen answer less that of the rejected one.'}, ...LEARNING],
    grpo: [
        {title: 'Reward and its parts', keys: [['reward', 'reward'], ['accuracy', 'accuracy'], ['format', 'format']],
         height: 300, expected: 'all rise. The reward is what GRPO maximises: by default 1 for a right answer and 1 ' +
            'for the format, as in the paper.'},
        {title: 'Accuracy', keys: [['accuracy', 'training, pass@1']], ...SHARE, range: [0, 1], height: 300,
         held_out: [['pass_at_1', 'held-out pass@1', 'pass_at_1_interval'], [/^majority_at_/, 'held-out majority']],
         expected: 'rises; the majority lies above pass@1. A control that may not think shows what guessing reaches.'},
        {title: 'Accuracy by kind of problem', keys: [[/^accuracy_/, '']], ...SHARE, range: [0, 1], height: 300,
         expected: 'kinds that are checked by rules rise at their own pace.'},
        {title: 'Mean length of an answer, tokens', keys: [['length', 'all'], ['finished_length', 'finished']],
         height: 300, expected: 'grows where trying and checking more pays; so it did in the paper [Nature Fig. 1]. ' +
            'Finished answers alone show that this is not rambling up to the limit.'},
        {title: 'Reasoning in the prompt\u2019s language', keys: [['language', 'share of words']], ...SHARE,
         expected: 'near 1 where the language is rewarded; else it may fall, as the paper saw [R1v1 2.2.4].'},
        {title: 'Truncated answers', keys: [['truncated', 'truncated']], ...SHARE,
         expected: 'stays low. An answer that is cut off gets reward 0; a lasting rise means that the limit is too ' +
            'tight or the policy rambles.'},
        {title: 'Reflective answers', keys: [['reflective_share', 'answers with such a word']], ...SHARE,
         expected: 'rises. Words such as wait, check, mistake are never rewarded; they spread if answers that hold ' +
            'them are right more often.'},
        {title: 'Reflective words per answer', keys: [['reflective_words', 'words']],
         expected: 'rises; the paper counts 5 to 7 times as many at the end as at the start [R1v2 C.2].'},
        {title: 'Entropy per token, nats', keys: [['entropy', 'entropy']],
         expected: 'falls, as the policy becomes surer of what it does; near 0 all answers of a group are alike and ' +
            'nothing is left to learn from.'},
        {title: 'KL to the reference, per token', keys: [['kl', 'KL (k3)']],
         expected: 'above 0 after the first update, since k3 is never negative, and rising; it falls back where the ' +
            'reference is refreshed. Above 1 the policy runs away.'},
        {title: 'Clipped tokens', ...SHARE,
         keys: [['clip_high', 'at 1 + \u03b5, A > 0'], ['clip_low', 'at 1 \u2212 \u03b5, A < 0']],
         expected: 'a few per cent at most. In the first update of a rollout the ratio is exactly 1 and nothing is ' +
            'clipped; the later ones are off-policy.'},
        {title: 'Largest |log \u03c0 \u2212 log \u03c0_old| in a first update',
         keys: [['first_update_mismatch', 'mismatch']],
         expected: 'exactly 0 in exact mode: what sampled the answers is what learns from them.'},
        {title: 'Terms of the loss', keys: [['policy_loss', 'policy term'], ['kl_loss', '\u03b2 KL']],
         expected: 'near 0, and no measure of success: the advantages of a group sum to 0, so at ratio 1 the policy ' +
            'term is about 0 while its gradient is not.'},
        {title: 'Groups without spread', keys: [['groups_without_spread', 'groups']], ...SHARE,
         expected: 'falls while all-wrong groups thin out, then rises as all-right ones appear. Such a group has ' +
            'A = 0 and teaches nothing.'},
        {title: 'Rewards of models', keys: [[/^preference_/, '']],
         expected: 'rises. Where it rises and the true score does not, the policy is exploiting the reward model.'},
        ...LEARNING]};

(function curves() {
    const COLORS = ['blue', 'orange', 'green', 'violet', 'red', 'teal', 'brown', 'pink'];
    const state = {smooth: 1, log: false};

    // The points of a column, or of a function of the row; x is the step.
    function points_of(columns, key) {
        const steps = columns.step || [];
        if (typeof key !== 'function') return steps.map((x, i) => ({x, y: (columns[key] || [])[i]}));
        const names = Object.keys(columns);
        return steps.map((x, i) => ({x, y: key(Object.fromEntries(names.map(name => [name, columns[name][i]])))}));
    }
    // The columns that a key stands for: one, or those whose names a pattern fits, named by what is left of them.
    const named = (run, [key, name], from) => key instanceof RegExp
        ? Object.keys(run[from]).filter(column => key.test(column)).map(column => [column, column.replace(key, '')])
        : [[key, name]];
    // Means of the steps around each one.
    function smoothed(points, size) {
        const there = points.filter(p => known(p.y)), half = Math.floor(size / 2);
        if (size === 1) return there;
        return there.map((p, i) => {
            const part = there.slice(Math.max(0, i - half), i + half + 1);
            return {x: p.x, y: part.reduce((sum, q) => sum + q.y, 0) / part.length};
        });
    }
    const held_out_points = (run, key, interval) => run.held_out.map(line => {
        const name = key instanceof RegExp ? Object.keys(line).find(column => key.test(column)) : key;
        const [low, high] = line[interval] || [];
        return {x: line.step, y: line[name], low, high};
    });
    // With one run the colours tell quantities apart; with several, runs, and each quantity has a chart of its own.
    function draw_chart(place, runs, spec) {
        const from = spec.from || 'metrics';
        const lines = runs.flatMap((run, r) => spec.keys.flatMap(key => named(run, key, from))
            .map(([key, name]) => ({run, r, name, points: points_of(run[from], key)})))
            .filter(line => line.points.some(p => known(p.y)));
        const dots = runs.flatMap((run, r) => (spec.held_out || []).map(([key, name, interval]) =>
            ({run, r, name, dots: true, points: held_out_points(run, key, interval)})))
            .filter(line => line.points.some(p => known(p.y)));
        const expected = 'Expected: ' + spec.expected;
        const one_chart = (title, all) => {
            const several = runs.length > 1;
            const names = [...new Set(all.map(line => line.name))];
            const series = all.map(line => {
                const color = COLORS[(several ? line.r : names.indexOf(line.name)) % COLORS.length];
                const name = several ? line.run.name + (line.dots ? ', ' + line.name : '') : line.name;
                if (line.dots) return {name, color, dots: true, points: line.points};
                const drawn = stretches(smoothed(line.points, state.smooth), 600);
                return {name, color, points: drawn.means, dashed: several && line.r >= COLORS.length};
            });
            chart({...spec, title, series, expected, place, log: state.log});
        };
        const names = new Set(lines.map(line => line.name));
        if (runs.length === 1 || names.size < 2) one_chart(spec.title, [...lines, ...dots]);
        else for (const name of names)
            one_chart(`${spec.title}: ${name}`, lines.filter(line => line.name === name));
    }

    function draw_all() {
        hide_tip();
        find('curves').replaceChildren();
        for (const stage of Object.keys(CHARTS)) {
            const runs = data.runs.filter(run => run.stage === stage);
            if (!runs.length) continue;
            const place = make('div', {class: 'charts'});
            find('curves').append(make('h3', {class: 'stage'}, STAGES[stage]),
                make('p', {class: 'soft'}, stage === 'grpo'
                    ? 'One step is one rollout: answers are sampled, rewarded, and learned from once.'
                    : 'One step is one update of the weights.'), place);
            for (const spec of CHARTS[stage]) draw_chart(place, runs, spec);
        }
    }
    const smooth = make('select', {'aria-label': 'smoothing'}, ...[1, 5, 20, 100].map(size =>
        make('option', {value: size}, size === 1 ? 'as recorded' : `mean of ${size} steps`)));
    smooth.onchange = () => { state.smooth = Number(smooth.value); draw_all(); };
    const log = make('input', {type: 'checkbox'});
    log.onchange = () => { state.log = log.checked; draw_all(); };
    find('curve_controls').append(make('label', {}, 'lines ', smooth), make('label', {}, log, ' logarithmic'),
        make('span', {class: 'soft'}, 'Point at a chart for its numbers.'));
    draw_all();
})();
