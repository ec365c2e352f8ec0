// The page of r1 audit --html: one self-contained file, every answer's tokens as a table, coloured by slope.
#pragma once
#include <string>

#include "base/files.h"

namespace r1 {

// In a script element nothing that stands in the data may look like a tag. In JSON "<" stands in texts only.
inline std::string script_safe(std::string text) {
    for (size_t at = 0; (at = text.find('<', at)) != std::string::npos; at += 6) text.replace(at, 1, "\\u003c");
    return text;
}

inline std::string audit_page(const json& data) {
    static const char* const head = R"page(<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>GRPO audit</title>
<style>
:root { color-scheme: light dark; --ink: #1c1d1f; --soft: #6b6d70; --line: #d8d9db; --paper: #fff; --up: 19,138,99; --down: 217,89,28; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e7e8; --soft: #9a9c9f; --line: #3a3c3f; --paper: #17181a; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 1180px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .3rem; } h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; }
p { max-width: 75ch; } .soft { color: var(--soft); }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; }
th, td { padding: .15rem .6rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { position: sticky; top: 0; background: var(--paper); font-weight: 600; }
td:first-child, th:first-child, td:last-child, th:last-child { text-align: left; }
td:first-child { font-family: ui-monospace, monospace; white-space: pre; }
.scroll { overflow-x: auto; } .totals td { font-size: 14px; }
</style>
<h1>GRPO audit</h1><div id="page"></div>
<script>
const data = )page";
    static const char* const tail = R"page(;
const page = document.getElementById('page');
const make = (tag, text, parent = page) => { const e = document.createElement(tag); if (text !== undefined) e.textContent = text; parent.append(e); return e; };
const short = (x, d = 6) => typeof x === 'number' ? (Math.abs(x) >= 1e-4 || x === 0 ? x.toFixed(d).replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, '') : x.toExponential(2)) : x;
make('p', data.title).className = 'soft';
make('p', `loss ${short(data.loss, 9)} = policy ${short(data.policy_loss, 9)} + KL ${short(data.kl_loss, 9)};  clipped below ${short(100 * data.clip_low, 2)} %, ` +
    `above ${short(100 * data.clip_high, 2)} %;  mean ratio ${short(data.ratio_mean)};  mean KL ${short(data.kl_mean)}`);
make('p', 'Green: a step against the gradient raises the token; orange: it lowers it. The stronger, the larger |dloss/dlogp|.').className = 'soft';
make('p', 'Settings: ' + Object.entries(data.math).map(([k, v]) => `${k} ${v}`).join(', ')).className = 'soft';
let largest = 0;
for (const g of data.groups) for (const a of g.answers) for (const t of a.tokens) largest = Math.max(largest, Math.abs(t[9]));
for (const g of data.groups) {
    make('h2', g.name);
    make('p', `mean ${short(g.mean)}, deviation ${short(g.deviation)}` + (g.flat ? '; all rewards equal: every advantage is 0' : ''));
    for (const a of g.answers) {
        make('h3', `${a.name}: reward ${short(a.reward)}, ${a.tokens.length} tokens, weight of a token ${short(a.weight, 8)}` + (a.counts ? '' : ', not in the loss'));
        const box = make('div'), table = make('table', undefined, box);
        box.className = 'scroll';
        const row = make('tr', undefined, table);
        for (const name of ['token', 'logp', 'logp_old', 'logp_ref', 'A', 'ratio', 'policy', 'KL', 'of the loss', 'dloss/dlogp', 'clipped']) make('th', name, row);
        for (const t of a.tokens) {
            const tr = make('tr', undefined, table);
            t.forEach((x, i) => make('td', i === 8 || i === 9 ? x.toExponential(3) : short(x), tr));
            if (t[9] !== 0) tr.style.background = `rgba(var(--${t[9] < 0 ? 'up' : 'down'}), ${0.06 + 0.34 * Math.sqrt(Math.abs(t[9]) / largest)})`;
        }
    }
}
</script></html>
)page";
    return head + script_safe(data.dump(-1, ' ', false, json::error_handler_t::replace)) + tail;
}

}  // namespace r1
