import type { io } from '@tensorflow/tfjs-core';
import type { StoredTensor } from '../../network/plan.js';
import type { Shape } from '../../network/value.js';

/** Where Keras's layers go: into the JSON of a model, or into TensorFlow.js itself. */

export type LayerConfig = Readonly<Record<string, unknown>> & {
  readonly batch_input_shape?: readonly (number | null | undefined)[];
  readonly padding?: unknown;
  readonly strides?: unknown;
  readonly pool_size?: unknown;
};

export interface LayerGraph<T> {
  /** Adds a layer of a Keras class, with the configuration that model.json holds, and gives its output. */
  add(type: string, name: string, config: LayerConfig, from: readonly T[]): T;
  /** Adds a caller's own layers; gives their output with its shape, in PyTorch's order. */
  custom(apply: unknown, path: string, from: T): { readonly output: T; readonly shape: Shape };
}

/** Where the first values of a weight come from, in Keras's terms. */
export interface Initializer {
  readonly class_name: string;
  readonly config: LayerConfig;
}

/** How the weights of a layer start whose every output sums `fanIn` products. */
export interface Initializers {
  kernel(fanIn: number): Initializer;
  bias(fanIn: number): Initializer;
}

export const ZEROS: Initializer = { class_name: 'Zeros', config: {} };

/** For weights that loading replaces; it spares stock loaders from drawing random ones. */
export const REPLACED: Initializers = { kernel: () => ZEROS, bias: () => ZEROS };

/** A layer as model.json has it. */
export interface KerasLayer {
  readonly name: string;
  readonly class_name: string;
  readonly config: LayerConfig;
  /** `[[[layer, node, tensor, arguments], …]]`; empty for the input. */
  readonly inbound_nodes: readonly (readonly (readonly [string, number, number, object])[])[];
}

/** A model as JSON, and the weights it wants, in the order in which they are stored. */
export interface KerasModel {
  readonly topology: io.ModelJSON['modelTopology'];
  readonly layers: readonly KerasLayer[];
  readonly tensors: readonly StoredTensor[];
}

/** Writes the layers down, as `tf.loadLayersModel` reads them. */
export class JSONGraph implements LayerGraph<string> {
  readonly layers: KerasLayer[] = [];

  add(type: string, name: string, config: LayerConfig, from: readonly string[]): string {
    this.layers.push({
      name,
      class_name: type,
      config: { name, trainable: true, ...config },
      inbound_nodes: from.length === 0 ? [] : [from.map((layer) => [layer, 0, 0, {}] as const)],
    });
    return name;
  }

  custom(): never {
    throw new Error("a caller's own layers cannot be written down");
  }

  /** @param name the model's */
  topology(name: string, outputs: readonly string[]): KerasModel['topology'] {
    return {
      class_name: 'Model',
      config: {
        name,
        layers: this.layers,
        input_layers: [['input', 0, 0]],
        output_layers: outputs.map((layer) => [layer, 0, 0]),
      },
      keras_version: 'tfjs-layers 4.22.0',
      backend: 'tensor_flow.js',
    };
  }
}
