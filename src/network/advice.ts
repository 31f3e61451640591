/** What can be done about a state dict that does not fit. */

/** What to do about keys that common PyTorch tools leave behind, of which the last part is `suffix`. */
const TOOLS: readonly (readonly [suffix: RegExp, mark: string, undo: string])[] = [
  [/\.parametrizations\.weight\.\w+$/, 'parametrizations', 'parametrize.remove_parametrizations'],
  [/\.weight_u$/, 'weight_orig', 'remove_spectral_norm'],
  [/\.weight_mask$/, 'weight_mask', 'prune.remove'],
  [/\.weight_g$/, 'weight_g', 'remove_weight_norm'],
];

/**
 * How to make a state dict of one that a common tool has changed, or whose classifier has moved.
 * @param classifier the path of the last linear layer
 * @param prefix what stood before the keys, and does in Python
 */
export function cure(
  unexpected: readonly string[],
  classifier: string,
  prefix: string,
): string | undefined {
  const tool = TOOLS.find(([suffix]) => unexpected.some((key) => suffix.test(key)));
  if (tool !== undefined) {
    const [, mark, undo] = tool;
    const name = undo.includes('.') ? ", 'weight'" : '';
    const import_ = undo.includes('.') ? `import torch.nn.utils.${undo.split('.')[0]}; ` : '';
    return `in Python, before saving: ${import_}[torch.nn.utils.${undo}(m${name}) for m in model.modules() if hasattr(m, '${mark}')]`;
  }
  const heads = within(unexpected, classifier).filter((key) => /\bweight$/.test(key));
  const [head] = heads;
  if (head === undefined || heads.length > 1) return undefined;
  const from = `${prefix}${head.slice(0, -'.weight'.length)}`;
  const move = (field: string) =>
    `sd['${prefix}${classifier}.${field}'] = sd.pop('${from}.${field}')`;
  return `if only dropout stands beside that layer, in Python, with the state dict sd, before saving: ${move('weight')}; ${move('bias')}`;
}

/** Several layers in place of the classifier, which would be lost if one of them were taken for it. */
export function severalLayers(
  unexpected: readonly string[],
  classifier: string,
  network: string,
): string | undefined {
  const inside = within(unexpected, classifier);
  const weights = inside.filter((key) => /\b(weight|running_mean)$/.test(key));
  const names = new Set(weights.map((key) => key.slice(0, key.lastIndexOf('.'))));
  if (names.size < 2) return undefined;
  return `of a ${network} with a head of several layers (${[...names].join(', ')}), which is not converted`;
}

function within(keys: readonly string[], module: string): string[] {
  return keys.filter((key) => key.startsWith(`${module}.`));
}
