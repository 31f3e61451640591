import type { StateDict } from '../checkpoint/tensor/tensor.js';

/**
 * Networks that are not this one, by keys that only they have. The keys are those of torchvision's
 * state dicts (torchvision/models), of timm's and of Cadene's pretrained-models where they are named.
 */
const NETWORKS: readonly (readonly [name: string, key: RegExp])[] = [
  ['Inception v3', /(^|\.)Mixed_5b\.branch1x1\.conv\.weight$/],
  ['Inception-ResNet v2', /(^|\.)(mixed_5b|repeat)\.\S*branch\S*\.conv\.weight$/],
  ['BN-Inception', /(^|\.)inception_3a_1x1\.weight$/],
  ['a GoogLeNet of other keys', /(^|\.)(a3\.b1\.0|pre_layers\.0)\.weight$/],
  ['DenseNet', /(^|\.)features\.denseblock1\.denselayer1\.norm1\.weight$/],
  ['SqueezeNet', /(^|\.)features\.3\.squeeze\.weight$/],
  ['ShuffleNet v2', /(^|\.)stage2\.0\.branch1\.0\.weight$/],
  ['MNASNet', /(^|\.)layers\.8\.0\.layers\.0\.weight$/],
  ['RegNet', /(^|\.)trunk_output\.block1\./],
  ['Swin Transformer', /relative_position_bias_table$/],
  ['a vision transformer', /(^|\.)(encoder\.layers\.encoder_layer_0|blocks\.0\.attn)\./],
  ['MaxViT', /(^|\.)blocks\.0\.layers\.0\.layers\.MBconv\./],
  ['ConvNeXt', /(^|\.)features\.1\.0\.layer_scale$/],
  ['EfficientNet', /(^|\.)features\.1\.0\.block\.0\.0\.weight$/],
  ['MobileNet v3', /(^|\.)features\.1\.block\.0\.0\.weight$/],
  ['MobileNet v2', /(^|\.)features\.1\.conv\.0\.0\.weight$/],
  ['ResNet', /(^|\.)layer1\.0\.conv1\.weight$/],
  ['a text model', /(word_embeddings|embed_tokens|wte)\.weight$/],
];

/** What another network's state dict is, if it is one that is known. */
export function nameOtherNetwork(tensors: StateDict): string | undefined {
  const keys = [...tensors.keys()];
  const known = NETWORKS.find(([, pattern]) => keys.some((key) => pattern.test(key)));
  if (known !== undefined) return known[0];
  const first = keys.find((key) => /(^|\.)features\.0\.weight$/.test(key));
  const last = keys.some((key) => /(^|\.)classifier\.6\.weight$/.test(key));
  if (first === undefined || !last) return undefined;
  return tensors.get(first)?.shape[2] === 11 ? 'AlexNet' : 'VGG';
}
