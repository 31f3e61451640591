import { VERSION } from '../base/version.js';
import { numel } from '../numbers/shape.js';
import { ONNX_FILE } from '../targets/formats.js';
import { encodeModel, type OnnxTensor } from '../targets/onnx/encode.js';
import type { OnnxGraph, OnnxNode } from '../targets/onnx/graph.js';
import { littleEndianBytes, type NamedBytes } from './artifacts.js';
import type { Provenance } from './provenance.js';
import type { Quantization } from './quantization.js';
import { quantize } from './quantize.js';

export interface OnnxFileInput {
  readonly graph: OnnxGraph;
  /** All tensors of the graph, in their order, without gaps. */
  readonly data: Float32Array;
  readonly provenance: Provenance;
  /** How to store the kernels and linear weights; the graph takes them back to float32. */
  readonly quantization?: Quantization | undefined;
}

/**
 * A model as one ONNX file. Metadata, each as JSON: `pth2tfjs`, what it was made of; `preprocessing`, what images
 * need before the model takes them; `labels`, the names of the classes, where they are known. The same
 * input gives the same bytes.
 * @throws Pth2tfjsError `unsupported` as {@link quantize} does
 */
export function toOnnxFile({ graph, data, provenance, quantization }: OnnxFileInput): NamedBytes {
  const nodes: OnnxNode[] = [];
  const tensors: OnnxTensor[] = [];
  let at = 0;
  for (const { name, shape, recipe } of graph.tensors) {
    const values = data.subarray(at, at + numel(shape));
    at += values.length;
    const isWeight = recipe.type !== 'constant' && shape.length > 1;
    if (quantization === undefined || !isWeight) {
      tensors.push({ name, shape, type: 'float32', bytes: littleEndianBytes(values) });
      continue;
    }
    const stored = `${name}.float16`;
    const { bytes } = quantize(name, values, 'float16');
    tensors.push({ name: stored, shape, type: 'float16', bytes });
    nodes.push({ op: 'Cast', name: stored, inputs: [stored], output: name, attributes: { to: 1 } });
  }
  const { labels, ...source } = provenance;
  const bytes = encodeModel({
    graph: { ...graph, nodes: [...nodes, ...graph.nodes] },
    name: provenance.network,
    tensors,
    producer: { name: 'pth2tfjs', version: VERSION },
    metadata: {
      pth2tfjs: JSON.stringify(source),
      preprocessing: JSON.stringify(provenance.input),
      ...(labels === undefined ? {} : { labels: JSON.stringify(labels) }),
    },
  });
  return { name: ONNX_FILE, bytes };
}
