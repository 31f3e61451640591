import type { StoredTensor } from '../../network/plan.js';

/**
 * An ONNX graph, before it is encoded. Source of the names: onnx/onnx.proto3 and docs/Operators.md of
 * the ONNX repository.
 */

/** An integer, a list of integers, or a float where it says so. */
export type Attribute = number | readonly number[] | { readonly float: number };

export interface OnnxNode {
  readonly op: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly attributes: Readonly<Record<string, Attribute>>;
}

export type ElementType = 'float32' | 'uint8' | 'float16';

/** An input or output of the graph; a text stands for a size that is free. */
export interface OnnxValue {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly (number | string)[];
}

export interface OnnxGraph {
  /** In the order of running. */
  readonly nodes: readonly OnnxNode[];
  readonly input: OnnxValue;
  readonly output: OnnxValue;
  /** What the nodes take besides: the network's weights and constants, in the order in which they are stored. */
  readonly tensors: readonly StoredTensor[];
}
