/**
 * A whole number as people read it, from 10,000 on in groups: 6,624,904 weights, and 1000 classes as everyone
 * writes them. `Intl.NumberFormat` takes several milliseconds to make.
 */
export function grouped(count: number): string {
  const digits = String(count);
  return digits.length < 5 ? digits : digits.replace(/\B(?=(\d{3})+$)/g, ',');
}

/** A count with its noun: `1 image`, `4 images`. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${grouped(count)} ${count === 1 ? noun : plural}`;
}
