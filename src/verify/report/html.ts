import { option } from '../../base/option.js';
import type { Comparison } from '../compare.js';
import type { Diagnosis } from '../diagnosis.js';
import type { BackendResult, Verification } from '../verification.js';
import { firstJump, type LayeredResult, layeredResults, smallestPassing } from './facts.js';
import { layerChart } from './html-layers.js';
import { logitCharts } from './html-scatter.js';
import { STYLE } from './html-style.js';
import { imageTable, layerTable, topTables } from './html-tables.js';
import { Markup, markup } from './html-text.js';
import {
  asOptions,
  backendPairs,
  environment,
  exponent,
  jumpWords,
  luckySentences,
  roundedUp,
  sentence,
  toleranceWords,
  verdict,
  type Wording,
} from './words.js';

interface Options {
  readonly layers?: boolean;
  readonly warnings?: readonly string[];
  readonly word?: Wording;
}

/** One page that needs nothing beside it: no script, no font, no picture, no network. */
export function formatHTML(verification: Verification, options: Options = {}): string {
  const { passed, model, golden, results, diagnosis } = verification;
  const word = passed ? 'PASS' : 'FAIL';
  const layered = layeredResults(results);
  return markup`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${`${word}: ${model} against ${golden}`}</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
<main>
<header class="${word.toLowerCase()}"><span class="badge">${passed ? '✓' : '✗'} ${word}</span>
<h1>Parity of TensorFlow.js with PyTorch</h1><p>${sentence(verdict({ ...verification, diagnosis: null }))}</p></header>
${diagnosis !== null && diagnosisBox(diagnosis)}
<div class="cards">${results.map((result) => backendCard(result, options.word))}</div>
${notes(verification, options)}${layered.length > 0 && layerSection(layered, options)}
<section aria-labelledby="logits"><h2 id="logits">Logits</h2>
${logitCharts(verification)}</section>
<section aria-labelledby="images"><h2 id="images">Images</h2>
${imageTable(verification)}</section>
<section aria-labelledby="tops"><h2 id="tops">Largest logits</h2>
<p class="soft">Class and logit, largest first; ≠ where another class stands at that rank.</p>
${topTables(verification)}</section>
<section aria-labelledby="environment"><h2 id="environment">Where this comes from</h2>
${pairs(environment(verification))}</section>
</main>
</body>
</html>`.source;
}

function pairs(list: readonly (readonly [label: string, text: string | Markup])[]): Markup {
  return markup`<dl>${list.map(([label, text]) => markup`<dt>${label}</dt><dd>${text}</dd>`)}</dl>`;
}

function diagnosisBox({ cause, attempts, hints }: Diagnosis): Markup {
  if (cause !== null) {
    const gap = `‖Δ‖/‖ref‖ falls from ${exponent(cause.errorBefore)} to ${exponent(cause.errorAfter)} when it is taken away.`;
    return markup`<section class="cause" aria-labelledby="cause"><h2 id="cause">Likely cause</h2>
<p class="summary">${sentence(cause.summary)}</p><p>${gap}${cause.where !== null && ` Where: ${cause.where}.`}</p><p>${cause.cure}</p></section>`;
  }
  const rows = attempts.map(
    ({ description, error }) =>
      markup`<tr><td class="text">${description}</td><td>${exponent(error)}</td></tr>`,
  );
  return markup`<section class="cause" aria-labelledby="cause"><h2 id="cause">No known cause</h2>
<p>None of the ${attempts.length} usual suspects closes the gap.</p>${list(hints)}
${rows.length > 0 && markup`<details><summary>What was tried</summary><table><thead><tr><th scope="col" class="text">taken away</th><th scope="col">‖Δ‖/‖ref‖ left</th></tr></thead><tbody>${rows}</tbody></table></details>`}</section>`;
}

function list(items: readonly string[]): Markup | null {
  if (items.length === 0) return null;
  return markup`<ul class="plain">${items.map((item) => markup`<li>${item}</li>`)}</ul>`;
}

function backendCard(result: BackendResult, word?: Wording): Markup {
  const { backend, comparison } = result;
  const outcome = comparison.passed ? 'pass' : 'fail';
  const { rtol, atol } = comparison.required;
  return markup`<section><h2>${backend.name}<span class="badge ${outcome}">${comparison.passed ? '✓' : '✗'} ${outcome.toUpperCase()}</span></h2>
${pairs([
  ['worst', whole(`‖Δ‖/‖ref‖ ${exponent(rtol)},`, `max |Δ| ${exponent(atol)}`)],
  ['tolerance', (word ?? asOptions)(toleranceWords(result))],
  ['would pass', wouldPass(comparison, word)],
  ...backendPairs(result),
])}</section>`;
}

function wouldPass(comparison: Comparison, word: Wording = asOptions): Markup | string {
  const smallest = smallestPassing(comparison);
  if (smallest === null) return 'at no tolerance';
  const { rtol, atol } = smallest;
  return whole(
    word(option('rtol', roundedUp(rtol))),
    word(`or ${option('atol', roundedUp(atol))}`),
  );
}

/** Texts that are not broken within. */
function whole(...texts: readonly string[]): Markup {
  return markup`${texts.map((text) => markup`<span class="whole">${text}</span> `)}`;
}

/** What the reader should know before believing the numbers. */
function notes({ results }: Verification, { warnings = [] }: Options): Markup | null {
  const items = [...warnings, ...luckySentences(results)].map(sentence);
  if (items.length === 0) return null;
  return markup`<section aria-labelledby="notes"><h2 id="notes">Worth knowing</h2>${list(items)}</section>\n`;
}

function layerSection(results: readonly LayeredResult[], { layers = false }: Options): Markup {
  const jumps = results.filter((result) => firstJump(result) !== undefined).map(jumpBox);
  const unmatched = [...new Set(results.flatMap((result) => result.layers.unmatched))];
  return markup`<section aria-labelledby="layers"><h2 id="layers">Layer by layer</h2>
${layerChart(results)}${jumps}
${unmatched.length > 0 && markup`<p class="soft">Not compared, the model has no such layer: ${unmatched.join(', ')}.</p>`}
<details${layers && markup` open`}><summary>Every layer</summary>${layerTable(results)}</details></section>`;
}

function jumpBox(result: LayeredResult): Markup {
  const { headline = '', expected = '', found = '' } = jumpWords(result) ?? {};
  return markup`<p><strong>${sentence(headline)}</strong></p>${pairs([
    ['expected', expected],
    ['found', found],
  ])}`;
}
