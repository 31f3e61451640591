import { serialization } from '@tensorflow/tfjs-core';
import {
  input,
  type LayersModel,
  type layers,
  model,
  type SymbolicTensor,
} from '@tensorflow/tfjs-layers';
import { type LayerConfig, LayerGraph, type Node } from '../googlenet/layer-graph.js';

export interface SymbolicNode extends Node {
  readonly tensor: SymbolicTensor;
}

/** Builds the layers in TensorFlow.js at once, each from the configuration that model.json would hold. */
export class SymbolicGraph extends LayerGraph<SymbolicNode> {
  private image: SymbolicTensor | undefined;

  add(
    type: string,
    name: string,
    config: LayerConfig,
    from: readonly SymbolicNode[],
    size: number,
  ): SymbolicNode {
    if (type === 'InputLayer') {
      this.image = input({ shape: [size, size, 3], name, dtype: 'float32' });
      return { tensor: this.image, size };
    }
    const layer = this.make(type, { name, trainable: true, ...config });
    const [first, ...more] = from.map(({ tensor }) => tensor);
    const inputs = more.length === 0 ? first : [first, ...more];
    return { tensor: layer.apply(inputs as SymbolicTensor) as SymbolicTensor, size };
  }

  /** What a caller's own layers gave. */
  static node(tensor: SymbolicTensor): SymbolicNode {
    return { tensor, size: tensor.shape.length === 4 ? (tensor.shape[1] as number) : 1 };
  }

  model(outputs: readonly SymbolicNode[]): LayersModel {
    return model({
      inputs: this.image as SymbolicTensor,
      outputs: outputs.map(({ tensor }) => tensor),
      name: 'googlenet',
    });
  }

  private make(type: string, config: LayerConfig): layers.Layer {
    const { classNameMap } = serialization.SerializationMap.getMap();
    const [layerClass, fromConfig] = classNameMap[type] as (typeof classNameMap)[string];
    return fromConfig(layerClass, camelCased(config) as never) as layers.Layer;
  }
}

/** tfjs-layers takes Keras's names in camel case, once they are no longer JSON. */
function camelCased(value: unknown, key = ''): unknown {
  if (typeof value === 'string' && key !== 'name') return toCamelCase(value);
  if (Array.isArray(value)) return value.map((item) => camelCased(item));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [
      toCamelCase(name),
      name === 'class_name' ? item : camelCased(item, name),
    ]),
  );
}

function toCamelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
