/** TensorFlow.js's kinds of model: for `tf.loadLayersModel`, and for `tf.loadGraphModel`. */
export const TFJS_FORMATS = ['layers', 'graph'] as const;
export type TfjsFormat = (typeof TFJS_FORMATS)[number];

/** The kinds of model that are written; `onnx` is one file, for ONNX Runtime and its like. */
export const MODEL_FORMATS = [...TFJS_FORMATS, 'onnx'] as const;
export type ModelFormat = (typeof MODEL_FORMATS)[number];

/** What an ONNX model is called where a folder is written. */
export const ONNX_FILE = 'model.onnx';

/** What a model takes: normalised float32 images, or pixels from 0 to 255 (int32 in graphs, uint8 in ONNX). */
export const INPUTS = ['normalized', 'pixels'] as const;
export type InputKind = (typeof INPUTS)[number];
