import type { Module } from './module.js';

/** A network that can be converted: everything that the rest knows of it. */
export interface Network<Variant extends object = object> {
  /** torchvision's function, such as `googlenet`. */
  readonly id: string;
  /** As it is written. */
  readonly name: string;
  build(options: NetworkOptions & Partial<Variant>): Module;
  /** What the shapes of a state dict decide, besides the classes. */
  readonly variant: (shapeOf: ShapeOf) => Variant;
  /** What each of these may be. */
  readonly variants: { readonly [Field in keyof Variant]: readonly Variant[Field][] };
  /** The class that a pickled module should have. */
  readonly pickledAs: RegExp;
  readonly imageSizes: ImageSizes;
  readonly official: readonly OfficialWeights[];
}

/** Of a network's options those that its state dict decides. */
export function variantOf<Variant extends object>(
  { variants }: Network<Variant>,
  options: Variant,
): Variant {
  const fields = Object.keys(variants) as (keyof Variant)[];
  return Object.fromEntries(fields.map((field) => [field, options[field]])) as Variant;
}

/** What all networks may be made with. */
export interface NetworkOptions {
  readonly numClasses?: number;
  /** Classes of the auxiliary heads, by their order; without, there are none. */
  readonly auxClasses?: readonly [number, number] | undefined;
  readonly transformInput?: boolean;
  /** Probabilities with which training zeroes a feature, before the last layer and in auxiliary heads. */
  readonly dropout?: number | undefined;
  readonly dropoutAux?: number | undefined;
}

/** The shape of a tensor by its key, as PyTorch has it; undefined where there is none. */
export type ShapeOf = (key: string) => readonly number[] | undefined;

/** Sides of square images, in pixels. */
export interface ImageSizes {
  readonly standard: number;
  /** The smallest whose every pool output holds a pixel; PyTorch refuses less. */
  readonly min: number;
  /** Beyond this, the first convolution's output alone takes more than 1 GiB. */
  readonly max: number;
}

/** torchvision's own weights: torch hub puts the start of the SHA-256 into the file's name. */
export interface OfficialWeights {
  readonly sha256Prefix: string;
  /** torch hub publishes no more of the hash; the size makes a chance match impossible in practice. */
  readonly bytes: number;
  readonly transformInput: boolean;
}

/** The official weights that a checkpoint is, after gunzip. */
export function officialWeights(
  { official }: Network,
  sha256: string | undefined,
  byteLength: number,
): OfficialWeights | undefined {
  return official.find(
    ({ sha256Prefix, bytes }) => bytes === byteLength && sha256?.startsWith(sha256Prefix),
  );
}
