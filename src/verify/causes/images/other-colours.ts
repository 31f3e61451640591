import type { Colours } from './recipes.js';

/** What colours mean, in words. */
export interface ColourStory {
  readonly id: string;
  readonly words: string;
  readonly cure?: string;
}

/** What colours are that no known preparation makes: each by itself, exchanged, grey, or any. */
export function otherColours(colours: Colours): ColourStory {
  return normalized(colours) ?? exchanged(colours) ?? grey(colours) ?? mixed(colours);
}

const ALL = [0, 1, 2] as const;

/** Whether all factors but these are as good as none. */
function only({ matrix }: Colours, counts: (c: number, i: number) => boolean): boolean {
  return ALL.every((c) => ALL.every((i) => counts(c, i) || isSmall(matrix, matrix[c]?.[i] ?? 0)));
}

function isSmall(matrix: Colours['matrix'], value: number): boolean {
  return Math.abs(value) <= 1e-3 * Math.max(...matrix.flat().map(Math.abs));
}

function show(values: readonly number[]): string {
  return values.map((value) => Number(value.toPrecision(4))).join(', ');
}

function timesAndPlus({ matrix, offset }: Colours, from: (c: number) => number): string {
  return `times ${show(ALL.map((c) => matrix[c]?.[from(c)] as number))} plus ${show(offset)}`;
}

function normalized(colours: Colours): ColourStory | undefined {
  if (!only(colours, (c, i) => c === i)) return undefined;
  return {
    id: 'input-normalization',
    words: `PyTorch's images were normalised otherwise: they are the golden file's ${timesAndPlus(colours, (c) => c)}`,
  };
}

function exchanged(colours: Colours): ColourStory | undefined {
  if (!only(colours, (c, i) => c + i === 2)) return undefined;
  return {
    id: 'input-bgr',
    words: `red and blue are swapped, and PyTorch's images are the golden file's ${timesAndPlus(colours, (c) => 2 - c)}`,
  };
}

/** All three are the same but for a factor. */
function grey({ matrix }: Colours): ColourStory | undefined {
  const [red = [], ...others] = matrix;
  const parallel = others.every((row) => {
    const factor = (row[1] as number) / (red[1] as number);
    return red.every((value, i) => isSmall(matrix, value * factor - (row[i] as number)));
  });
  if (!parallel) return undefined;
  return { id: 'input-grey', words: "PyTorch's images were grey, the golden file's are in colour" };
}

function mixed({ matrix, offset }: Colours): ColourStory {
  const rows = matrix.map((row) => `[${show(row)}]`).join(', ');
  return {
    id: 'input-colours',
    words: `PyTorch's images have other colours: the golden file's times [${rows}] plus ${show(offset)}`,
  };
}
