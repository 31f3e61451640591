/** How many numbers a tensor of this shape holds. */
export function numel(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
