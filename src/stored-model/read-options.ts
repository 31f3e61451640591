import {
  describeModel,
  describeTrainable,
  isImageSize,
  type TrainableOptions,
  trainingGraph,
} from '../describe-model.js';
import { anatomyOf } from '../network/expected.js';
import type { ShapeOf } from '../network/network.js';
import { keysOf, type StoredTensor } from '../network/plan.js';
import type { Value } from '../network/value.js';
import { NETWORK } from '../networks/index.js';
import { damaged } from './damaged.js';
import type { EditableModel } from './editable-model.js';

/** The network's options, as a written model's layers and the shapes of its weights tell them. */

/** A network that has all that it may have. */
const FULL: TrainableOptions = {
  imageSize: NETWORK.imageSizes.standard,
  numClasses: 1,
  auxClasses: [1, 1],
  transformInput: true,
  ...NETWORK.variant(() => undefined),
};

/**
 * @param folded whether BatchNorm is folded into the convolutions
 * @throws Pth2tfjsError `model` for one that takes no image that the network can take
 */
export function readOptions(model: EditableModel, folded: boolean): TrainableOptions {
  const shapeOf = shapesIn((name) => model.weights.get(name)?.shape, folded);
  const { classifier, auxiliary, auxiliaryClassifiers } = anatomyOf(NETWORK);
  const classes = (path: string) => shapeOf(`${path}.weight`)?.[0];
  const [first, second] = auxiliaryClassifiers.map(classes);
  const { values } = trainingGraph(FULL);
  const config = (name: string | undefined) =>
    model.layers.find((layer) => layer.name === name)?.config;
  const isAux = ({ path }: Value) => auxiliary.some((head) => path.startsWith(`${head}.`));
  const dropouts = values.filter(({ op }) => op.type === 'dropout');
  const transform = values.find(({ op }) => op.type === 'affine');
  return {
    imageSize: readImageSize(config('input')?.batch_input_shape),
    numClasses: classes(classifier) ?? 0,
    ...NETWORK.variant(shapeOf),
    transformInput: config(transform?.path) !== undefined,
    auxClasses: first === undefined ? undefined : [first, second ?? 0],
    dropout: readRate(config(dropouts.find((each) => !isAux(each))?.path)?.rate),
    dropoutAux: readRate(config(dropouts.find(isAux)?.path)?.rate),
  };
}

function readImageSize(shape: unknown): number {
  const imageSize: unknown = Array.isArray(shape) ? shape[1] : undefined;
  if (typeof imageSize !== 'number') throw damaged('has no layer named input');
  if (!isImageSize(imageSize)) throw damaged(`takes images of ${imageSize}x${imageSize}`);
  return imageSize;
}

function readRate(rate: unknown): number | undefined {
  if (rate === undefined) return undefined;
  if (typeof rate === 'number' && rate >= 0 && rate <= 1) return rate;
  throw damaged(`drops out with a rate of ${JSON.stringify(rate)}, not from 0 to 1`);
}

/**
 * The shapes of a model's tensors by their keys in the state dict, as PyTorch has them.
 * @param stored a weight's shape by its name in the model
 */
export function shapesIn(
  stored: (weight: string) => readonly number[] | undefined,
  folded: boolean,
): ShapeOf {
  const { tensors } = folded ? describeModel(FULL) : describeTrainable(FULL);
  const names = new Map(tensors.flatMap((tensor) => kernelKeys(tensor)));
  return (key) => toTorch(stored(names.get(key) ?? ''));
}

/** A folded kernel stands for its convolution's weight. */
function kernelKeys({ name, recipe }: StoredTensor): (readonly [key: string, name: string])[] {
  const [key] = keysOf(recipe);
  const whole = recipe.type === 'folded' ? recipe.part === 'kernel' : recipe.type === 'copy';
  return key !== undefined && whole ? [[key, name]] : [];
}

/** Kernels are HWIO in TensorFlow, linear weights have their inputs first. */
function toTorch(shape: readonly number[] | undefined): readonly number[] | undefined {
  if (shape === undefined || shape.length < 2) return shape;
  return [...shape.slice(-2).reverse(), ...shape.slice(0, -2)];
}

/** Whether BatchNorm is folded into the convolutions of a model. */
export function isFolded({ weights }: EditableModel): boolean {
  const first = describeModel(FULL).tensors.find(({ recipe }) => recipe.type === 'folded');
  return first !== undefined && weights.has(first.name);
}
