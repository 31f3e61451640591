import { type EditableModel, inputsOf, type LayerJSON } from '../stored-model/editable-model.js';

/** What two models' layers have in common, so that what is known of one need not be loaded or run again. */

/** Whether each layer reads what comes before it, and the last one alone is read by none. */
export function inOrder(layers: readonly LayerJSON[]): boolean {
  const unread = new Set<string>();
  const seen = new Set<string>();
  for (const layer of layers) {
    const from = inputsOf(layer);
    if (!from.every((name) => seen.has(name))) return false;
    for (const name of from) unread.delete(name);
    seen.add(layer.name);
    unread.add(layer.name);
  }
  return unread.size === 1;
}

/** Classes of layers that only pass on, pool or join what they read. */
const WITHOUT_WEIGHTS: ReadonlySet<string> = new Set([
  'InputLayer',
  'ZeroPadding2D',
  'MaxPooling2D',
  'AveragePooling2D',
  'GlobalAveragePooling2D',
  'Concatenate',
]);

export function whatHoldsWeights({ name, class_name, config }: LayerJSON) {
  return WITHOUT_WEIGHTS.has(class_name) ? [] : [{ name, class_name, config }];
}

/** The layers, in the order of running, before the first one in which a model differs from another. */
export function unchangedLayers(usual: EditableModel, changed: EditableModel): string[] {
  if (!inOrder(usual.layers) || !inOrder(changed.layers)) return [];
  const rewritten = new Set<string>();
  for (const [name, { data }] of changed.weights) {
    if (usual.weights.get(name)?.data !== data) rewritten.add(name.slice(0, name.lastIndexOf('/')));
  }
  const names = new Set(changed.layers.map(({ name }) => name));
  if ([...rewritten].some((name) => !names.has(name))) return [];
  const first = changed.layers.findIndex(
    (layer, at) => rewritten.has(layer.name) || !alike(layer, usual.layers[at]),
  );
  return changed.layers.slice(0, Math.max(0, first)).map(({ name }) => name);
}

function alike(a: LayerJSON, b: LayerJSON | undefined): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
