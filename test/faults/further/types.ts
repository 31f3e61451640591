/** Faults that are judged by what the validator says of them in words. */
import type { Pair, Sound } from '../types.js';

/** A pair, and the checkpoint that belongs to it where it is not the one of the sound pair; null for none. */
export type Planted = Pair & { readonly checkpoint?: Uint8Array | null };

/** What the faults are planted in. */
export interface Ground extends Sound {
  /** A golden file of `further.py`, and its bytes. */
  readonly file: (name: string) => Promise<Uint8Array>;
}

export interface Further {
  readonly name: string;
  readonly plant: (ground: Ground) => Planted | Promise<Planted>;
  /** The golden files that it needs. */
  readonly needs: readonly string[];
  /**
   * What every true name of the cause says, whichever words it is in: each of these must match. Also
   * those that nobody can be expected to name have it, since a true name is right there, too.
   */
  readonly truth: readonly RegExp[];
  /** What the summary must not say: it would blame what is in order. */
  readonly innocent?: RegExp;
  /** What is true as well, and not enough: it counts as the layer alone. */
  readonly half?: RegExp;
  /** Whether a person with the golden file and its layers, the model and the checkpoint could tell. */
  readonly nameable: boolean;
  /** Where the error starts, if it starts in a layer. */
  readonly layer?: string;
  /** Whether it is planted in every run, and not only when all are asked for. */
  readonly always: boolean;
}

export interface Options {
  readonly innocent?: RegExp;
  readonly half?: RegExp;
  readonly unnameable?: boolean;
  readonly layer?: string;
  readonly always?: boolean;
}

/** Puts a fault together. */
export function further(
  name: string,
  needs: readonly string[],
  truth: readonly RegExp[],
  plant: Further['plant'],
  { innocent, half, layer, unnameable = false, always = false }: Options = {},
): Further {
  return {
    name,
    needs,
    truth,
    plant,
    nameable: !unnameable,
    always,
    ...(innocent === undefined ? {} : { innocent }),
    ...(half === undefined ? {} : { half }),
    ...(layer === undefined ? {} : { layer }),
  };
}

/** Name there, name here, and what a true name says. */
export type Row = readonly [
  file: string,
  name: string,
  truth: readonly RegExp[],
  options?: Options,
];

/** A layer by its name, whatever stands around it. */
export const named = (layer: string): RegExp => new RegExp(`\\b${layer.replaceAll('.', '\\.')}\\b`);

/** The model equals the checkpoint: to blame it, or to have it converted anew, leads astray. */
export const MODEL_BLAMED =
  /the (converted )?model (has|holds|does|is|was|lacks|pads|takes)\b(?! (what )?the checkpoint)|model\.json|shards?\b/i;

/** PyTorch computed what the checkpoint says: to blame it leads astray. */
export const PYTORCH_BLAMED =
  /(?<!\b(as|than|where|in|of|unlike) )(PyTorch|the golden file)('s network)? (has|had|was|is|used|does|did|ran|runs|computed)\b|PyTorch's network/i;

/** Planted in every run. */
export const ALWAYS = { always: true };
/** Nobody can be expected to name it. */
export const UNNAMEABLE = { unnameable: true };
