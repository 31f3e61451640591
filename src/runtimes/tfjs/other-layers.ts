import type { LayersModel } from '@tensorflow/tfjs-layers';
import { damaged } from '../../stored-model/damaged.js';
import { inputsOf, type LayerJSON } from '../../stored-model/editable-model.js';

/** A layer, and those that it reads from. */
export interface Step {
  readonly name: string;
  readonly layer: Layer;
  readonly from: readonly string[];
}

type Layer = LayersModel['layers'][number];
type TF = typeof import('@tensorflow/tfjs-core');

/** Other layers with the model's own weights; TensorFlow.js makes those that hold none. */
export function otherSteps(tf: TF, model: LayersModel, layers: readonly LayerJSON[]): Step[] {
  const own = new Map(model.layers.map((layer) => [layer.name, layer]));
  return layers.map((json) => {
    const [found, from] = [own.get(json.name), inputsOf(json)];
    const keeps = found !== undefined && (found.weights.length > 0 || from.length === 0);
    return { name: json.name, layer: keeps ? found : makeLayer(tf, json), from };
  });
}

function makeLayer({ serialization }: TF, { class_name, config }: LayerJSON): Layer {
  const known = serialization.SerializationMap.getMap().classNameMap[class_name];
  if (known === undefined) throw damaged(`has a layer of the unknown class ${class_name}`);
  const [type, fromConfig] = known;
  // As loaders do it: names in JSON are Python's.
  const entries = Object.entries(config).map(([key, value]) => [
    camelCase(key),
    key === 'data_format' ? camelCase(String(value)) : value,
  ]);
  return fromConfig(type, Object.fromEntries(entries)) as unknown as Layer;
}

function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
