/** From 10,000 on in groups: 6,624,904 weights, and 1000 classes as everyone writes them. */
const NUMBERS = new Intl.NumberFormat('en-US', { useGrouping: 'min2' });

/** A number as people read it. */
export function grouped(count: number): string {
  return NUMBERS.format(count);
}

/** A count with its noun: `1 image`, `4 images`. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${grouped(count)} ${count === 1 ? noun : plural}`;
}
