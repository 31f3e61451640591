import { serialization } from '@tensorflow/tfjs-core';
import {
  input,
  type LayersModel,
  type layers,
  model,
  type SymbolicTensor,
} from '@tensorflow/tfjs-layers';
import type { Shape } from '../network/value.js';
import type { LayerConfig, LayerGraph } from '../targets/keras/graph.js';

/** A caller's own layers: applies them to the input, NHWC, in place of the module of this path. */
export type ApplyLayers = (input: SymbolicTensor, path: string) => SymbolicTensor;

/** Builds the layers in TensorFlow.js at once, each from the configuration that model.json would hold. */
export class SymbolicGraph implements LayerGraph<SymbolicTensor> {
  private image: SymbolicTensor | undefined;

  add(
    type: string,
    name: string,
    config: LayerConfig,
    from: readonly SymbolicTensor[],
  ): SymbolicTensor {
    if (type === 'InputLayer') {
      const [, ...shape] = (config.batch_input_shape ?? []) as number[];
      this.image = input({ shape, name, dtype: 'float32' });
      return this.image;
    }
    const layer = this.make(type, { name, trainable: true, ...config });
    const [first, ...more] = from;
    const inputs = more.length === 0 ? first : [first, ...more];
    return layer.apply(inputs as SymbolicTensor) as SymbolicTensor;
  }

  custom(
    apply: unknown,
    path: string,
    from: SymbolicTensor,
  ): { readonly output: SymbolicTensor; readonly shape: Shape } {
    const output = (apply as ApplyLayers)(from, path);
    const [, ...sides] = output.shape as number[];
    const channels = sides.pop() ?? 0;
    return { output, shape: [channels, ...sides] };
  }

  model(name: string, outputs: readonly SymbolicTensor[]): LayersModel {
    return model({
      inputs: this.image as SymbolicTensor,
      outputs: [...outputs],
      name,
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
