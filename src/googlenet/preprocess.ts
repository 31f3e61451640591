/**
 * What the network expects of its input. Source: torchvision/transforms/_presets.py
 * (ImageClassification) and torchvision/models/googlenet.py (_transform_input).
 */

/** Per-channel mean and standard deviation of ImageNet, RGB, for pixels in [0, 1]. */
export const IMAGENET_MEAN = [0.485, 0.456, 0.406] as const;
export const IMAGENET_STD = [0.229, 0.224, 0.225] as const;

/**
 * `transform_input` turns ImageNet normalisation into [-1, 1], as the weights that came from
 * TensorFlow expect: `x * scale[c] + offset[c]`, before the first convolution pads with zeros.
 */
export const TRANSFORM_INPUT = {
  scale: IMAGENET_STD.map((std) => std / 0.5),
  offset: IMAGENET_MEAN.map((mean) => (mean - 0.5) / 0.5),
} as const;
