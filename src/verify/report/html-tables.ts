import type { BackendResult, Verification } from '../verification.js';
import { agreement, chooseImages, type LayeredResult, layerRows } from './facts.js';
import { type Markup, markup } from './html-text.js';
import { exponent, top1Words } from './words.js';

/** Rows and small tables that a page may hold; the caption says what is left out. */
const MAX_IMAGES = 200;
const MAX_TOPS = 16;

const COLUMNS = ['‖Δ‖/‖ref‖', 'max |Δ|', '1 − cosine', 'top-1', 'top-5', 'verdict'];

/** A row for each image and backend, an image's rows together. */
export function imageTable(verification: Verification): Markup {
  const { results } = verification;
  const images = chooseImages(verification, MAX_IMAGES);
  const columns = COLUMNS.map((name) => markup`<th scope="col">${name}</th>`);
  const bodies = images.map((image) => {
    const rows = results.map((result, nth) => {
      const head = markup`<th scope="rowgroup" rowspan="${results.length}">${image}</th>`;
      return markup`<tr>${nth === 0 && head}<th scope="row" class="text">${result.backend.name}</th>${imageCells(result, image)}</tr>\n`;
    });
    return markup`<tbody>${rows}</tbody>`;
  });
  return markup`<div class="scroll" tabindex="0" role="group" aria-label="Table of images"><table><thead><tr><th scope="col">image</th><th scope="col" class="text">backend</th>${columns}</tr></thead>
${bodies}</table></div>${leftOut(images.length, verification)}`;
}

function leftOut(shown: number, { results }: Verification): Markup | null {
  const total = results[0]?.comparison.images.length ?? 0;
  if (shown === total) return null;
  return markup`<p class="soft">${shown} of ${total} images, those that fail before the others.</p>`;
}

function imageCells({ comparison }: BackendResult, index: number): Markup | null {
  const image = comparison.images.find((each) => each.image === index);
  if (image === undefined) return null;
  const same = image.top5.expected[0] === image.top5.actual[0];
  return markup`<td>${exponent(image.relativeError)}</td><td>${exponent(image.maxAbsoluteError)}</td><td>${exponent(1 - image.cosine)}</td><td${!same && markup` class="bad"`}>${same ? '' : '≠ '}${top1Words(image)}${image.luckyTop1 ? ' (by luck)' : ''}</td><td>${agreement(image)}/${image.top5.expected.length}</td><td class="${image.passed ? 'ok' : 'bad'}">${image.passed ? '✓ ok' : '✗ FAIL'}</td>`;
}

/** The classes with the five largest logits, PyTorch's beside each backend's. */
export function topTables(verification: Verification): Markup {
  const images = chooseImages(verification, MAX_TOPS);
  const tables = images.map((image) => topTable(verification, image));
  const least = 90 + 150 * (verification.results.length + 1);
  return markup`<div class="tops" style="--least:${least}px">${tables}</div>${leftOut(images.length, verification)}`;
}

function topTable({ expected, results }: Verification, image: number): Markup {
  const rows = results.map(({ comparison }) =>
    comparison.images.find((each) => each.image === image),
  );
  const truth = rows[0]?.top5.expected ?? [];
  const logit = (logits: Float32Array, index: number) =>
    markup`${index}<span class="logit">${(logits[image * expected.numClasses + index] ?? NaN).toPrecision(6)}</span>`;
  const body = truth.map((index, rank) => {
    const found = results.map(({ logits }, nth) => {
      const actual = rows[nth]?.top5.actual[rank];
      if (actual === undefined) return markup`<td></td>`;
      const same = actual === index;
      return markup`<td${!same && markup` class="bad"`}>${same ? '' : '≠ '}${logit(logits, actual)}</td>`;
    });
    return markup`<tr><th scope="row">${rank + 1}</th><td>${logit(expected.logits, index)}</td>${found}</tr>`;
  });
  const heads = results.map(({ backend }) => markup`<th scope="col">${backend.name}</th>`);
  return markup`<div><h3>Image ${image}</h3><div class="scroll" tabindex="0" role="group" aria-label="Top classes of image ${image}"><table><thead><tr><th scope="col">rank</th><th scope="col">PyTorch</th>${heads}</tr></thead><tbody>${body}</tbody></table></div></div>`;
}

/** Every layer's error on every backend. */
export function layerTable(results: readonly LayeredResult[]): Markup {
  const heads = results.map(({ backend }) => markup`<th scope="col">${backend.name}</th>`);
  const rows = layerRows(results).map(({ layer, shape, cells, jumpsOn }) => {
    const errors = cells.map(
      (cell) => markup`<td>${cell === undefined ? '–' : exponent(cell.relativeError)}</td>`,
    );
    const jump = jumpsOn.length === 0 ? '' : `✗ jumps on ${jumpsOn.join(', ')}`;
    return markup`<tr${jumpsOn.length > 0 && markup` class="jump"`}><th scope="row">${layer}</th><td>${shape.join('×')}</td>${errors}<td class="text">${jump}</td></tr>\n`;
  });
  return markup`<div class="scroll" tabindex="0" role="group" aria-label="Table of layers"><table><thead><tr><th scope="col">layer</th><th scope="col">shape</th>${heads}<th scope="col" class="text">first jump</th></tr></thead><tbody>
${rows}</tbody></table></div>`;
}
