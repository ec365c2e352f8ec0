// ---- curves ----
(function curves() {
    const line = (name, color, key, lines = data.zero) =>
        ({name, color, points: stretches(lines.map(m => ({x: m.step, y: m[key]})), 600).means});
    const votes = m => Object.keys(m).find(key => key.startsWith('majority_at_'));
    const held_out = (name, color, point) =>
        ({name, color, dots: true, points: data.held_out.map(m => ({x: m.step, ...point(m)}))});
    const shown = [];
    const add = (title, series, expected, more) =>
        shown.push({title, series, expected: 'Expected: ' + expected, ...more});
    const SHARE = {unit: 'share'};

    add('Reward and its parts',
        [line('reward', 'blue', 'reward'), line('accuracy', 'green', 'accuracy'), line('format', 'orange', 'format')],
        'all rise. The reward is what GRPO maximises: by default 1 for a right answer and 1 for the format, as in ' +
        'the paper.', {height: 300});
    add('Accuracy',
        [line('training, pass@1', 'blue', 'accuracy'),
         line('control, may not think', 'violet', 'accuracy', data.control),
         held_out('held-out pass@1', 'green', m => {
             const [low, high] = m.pass_at_1_interval || [];
             return {y: m.pass_at_1, low, high};
         }),
         held_out('held-out majority', 'orange', m => ({y: m[votes(m)]}))],
        'rises past what the control can guess; the majority lies above pass@1. Of the paper\u2019s curve (AIME ' +
        '2024, 10,400 updates) its text gives only the ends, so they stand as dashed levels: points between them ' +
        'would be invented.',
        {...SHARE, range: [0, 1], height: 300, levels: [
            {y: 0.156, text: 'paper, before RL: 15.6 %', right: true, below: true},
            {y: 0.71, text: 'paper, v1: 71.0 %', below: true},
            {y: 0.779, text: 'paper, Nature: 77.9 %'}, {y: 0.867, text: 'paper, majority: 86.7 %'}]});
    add('Mean length of an answer, tokens',
        [line('all', 'blue', 'length'), line('finished', 'green', 'finished_length')],
        'grows, because trying and checking more pays; so it did in the paper [Nature Fig. 1]. Finished answers ' +
        'alone show that this is not rambling up to the limit.', {height: 300});
    add('Truncated answers', [line('truncated', 'blue', 'truncated')],
        'stays low. An answer that is cut off gets reward 0; a lasting rise means that the limit is too tight or ' +
        'the policy rambles.', SHARE);
    add('Reflective answers', [line('answers with such a word', 'blue', 'reflective_share')],
        'rises. Words such as wait, check, mistake are never rewarded; they spread if answers that hold them are ' +
        'right more often.', SHARE);
    add('Reflective words per answer', [line('words', 'blue', 'reflective_words')],
        'rises; the paper counts 5 to 7 times as many at the end as at the start [R1v2 C.2].');
    add('Entropy per token, nats', [line('entropy', 'blue', 'entropy')],
        'falls, as the policy becomes surer of what it does; near 0 all answers of a group are alike and nothing is ' +
        'left to learn from.');
    add('KL to the reference, per token', [line('KL (k3)', 'blue', 'kl')],
        'above 0 after the first update, since k3 is never negative, and rising; it falls back where the reference ' +
        'is refreshed. Above 1 the policy runs away.');
    const gaps = data.zero.map(m => m.first_update_mismatch).filter(known);
    const gap = !gaps.length ? '' : ' The largest |log \u03c0 \u2212 log \u03c0_old| of a first update in this run: ' +
        short(gaps.reduce((a, b) => Math.max(a, b))) + '.';
    add('Clipped tokens',
        [line('at 1 + \u03b5, A > 0', 'blue', 'clip_high'), line('at 1 \u2212 \u03b5, A < 0', 'orange', 'clip_low')],
        'a few per cent at most. In the first update of a rollout the ratio is exactly 1 and nothing is clipped; ' +
        'the later ones are off-policy.' + gap, SHARE);
    add('Gradient norm, before clipping', [line('gradient norm', 'blue', 'gradient_norm')],
        'of one size throughout; single spikes are cut by the clipping, a lasting climb comes before a collapse.');
    add('Terms of the loss', [line('policy term', 'blue', 'policy_loss'), line('\u03b2 KL', 'orange', 'kl_loss')],
        'near 0, and no measure of success: the advantages of a group sum to 0, so at ratio 1 the policy term is ' +
        'about 0 while its gradient is not.');
    add('Groups without spread', [line('groups', 'blue', 'groups_without_spread')],
        'falls while all-wrong groups thin out, then rises as all-right ones appear. Such a group has A = 0 and ' +
        'teaches nothing.', SHARE);
    const pretraining = stretches(data.base.step.map((step, i) => ({x: step, y: data.base.loss[i]})), 400);
    const name = pretraining.size > 1 ? `mean of ${pretraining.size} updates` : 'loss';
    add('Pretraining loss, nats per token', [{name, color: 'blue', points: pretraining.means}],
        'falls steeply, then slowly, and flattens as the cosine schedule ends.', {from_data: true, x: 'update'});
    shown.forEach(chart);
})();
