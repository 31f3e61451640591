/** A number or a list that a graph brings along, besides its weights. */
export interface Constant {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: 'float32' | 'int32';
  readonly values: readonly number[];
}
