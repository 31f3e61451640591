/** The kinds of model that are written: for `tf.loadLayersModel`, and for `tf.loadGraphModel`. */
export const MODEL_FORMATS = ['layers', 'graph'] as const;
export type ModelFormat = (typeof MODEL_FORMATS)[number];

/** What a model takes: normalised float32 images, or int32 pixels from 0 to 255 (graphs only). */
export const INPUTS = ['normalized', 'pixels'] as const;
export type InputKind = (typeof INPUTS)[number];
