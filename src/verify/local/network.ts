import { findAffine } from '../../describe-model.js';
import type { Affine, MaxPool2d } from '../../network/value.js';
import type { Variant } from '../../networks/index.js';
import type { Laboratory } from '../laboratory.js';
import { type ConvBlock, networkLayers, toBlock } from '../structure.js';
import { type Planes, planesOf } from './planes.js';
import { type Pool, poolPlanes } from './pool.js';

/** A layer of PyTorch's network, and the layers that it reads from. */
export type Module = {
  readonly name: string;
  readonly from: readonly string[];
} & (
  | { readonly type: 'conv'; readonly block: ConvBlock }
  | { readonly type: 'pool'; readonly pool: Pool }
  | { readonly type: 'concatenation' | 'average' | 'linear' }
);

/** The name of what the first layer reads. */
export const INPUT = 'input';

/** All modules in forward order. */
export function modulesOf(variant: Variant): readonly Module[] {
  return networkLayers(variant).map(({ path, op, from }): Module => {
    const names = from.map(
      (each) => (each.op.type === 'flatten' ? each.from[0] : each)?.path ?? '',
    );
    const module = { name: path, from: names };
    if (op.type === 'conv2d') return { ...module, type: 'conv', block: toBlock(op) };
    if (op.type === 'maxPool2d') return { ...module, type: 'pool', pool: toPool(op) };
    if (op.type === 'cat') return { ...module, type: 'concatenation' };
    return { ...module, type: op.type === 'linear' ? 'linear' : 'average' };
  });
}

function toPool({ kernel, stride, padding, ceilMode }: MaxPool2d): Pool {
  return { kind: 'max', kernel: kernel[0], stride: stride[0], padding: padding[0], ceil: ceilMode };
}

/** What PyTorch's modules read and gave, as far as the golden file tells. */
export class Recording {
  readonly modules: ReadonlyMap<string, Module>;
  private readonly derived = new Map<string, Planes | undefined>();

  constructor(private readonly lab: Laboratory) {
    const modules = modulesOf(lab.checkpoint ?? lab.variant);
    this.modules = new Map(modules.map((module) => [module.name, module]));
  }

  /** What a module gave, as recorded. */
  recorded(name: string): Planes | undefined {
    const found = this.lab.golden.activations.get(name);
    return found && planesOf(found.data, found.shape);
  }

  /** What a module gave: recorded, or what follows from other records where it has no weights. */
  output(name: string): Planes | undefined {
    if (name === INPUT) return this.input();
    const recorded = this.recorded(name);
    if (recorded !== undefined) return recorded;
    if (!this.derived.has(name)) this.derived.set(name, this.derive(name));
    return this.derived.get(name);
  }

  /** What a module of one input read. */
  inputOf(name: string): Planes | undefined {
    return this.output(this.modules.get(name)?.from[0] ?? '');
  }

  private derive(name: string): Planes | undefined {
    const module = this.modules.get(name);
    const inputs = (module?.from ?? []).map((each) => this.output(each));
    if (module === undefined || inputs.some((each) => each === undefined)) return undefined;
    const [first] = inputs as [Planes];
    if (module.type === 'pool') return poolPlanes(first, module.pool);
    if (module.type === 'average') return averagePlanes(first);
    return module.type === 'concatenation' ? concatenatePlanes(inputs as Planes[]) : undefined;
  }

  /** The images as the first convolution sees them. */
  private input(): Planes {
    const { input, shape } = this.lab.golden;
    const planes = planesOf(input, shape);
    const affine = findAffine(this.lab.graphFor(shape[2]));
    return affine === undefined ? planes : { ...planes, data: transform(planes, affine) };
  }
}

function transform(
  { data, channels, height, width }: Planes,
  { scale, offset }: Affine,
): Float32Array {
  return data.map((value, i) => {
    const c = Math.floor(i / (height * width)) % channels;
    return value * (scale[c] as number) + (offset[c] as number);
  });
}

export function averagePlanes({ data, images, channels, height, width }: Planes): Planes {
  const area = height * width;
  const out = Float32Array.from({ length: images * channels }, (_, plane) => {
    let sum = 0;
    for (let i = plane * area; i < (plane + 1) * area; i++) sum += data[i] as number;
    return sum / area;
  });
  return { data: out, images, channels, height: 1, width: 1 };
}

/** By channel; undefined where the maps differ in size. */
export function concatenatePlanes(parts: readonly Planes[]): Planes | undefined {
  const [first] = parts as [Planes];
  const { images, height, width } = first;
  if (parts.some((part) => part.height !== height || part.width !== width)) return undefined;
  const channels = parts.reduce((sum, part) => sum + part.channels, 0);
  const area = height * width;
  const data = new Float32Array(images * channels * area);
  let at = 0;
  for (let image = 0; image < images; image++) {
    for (const part of parts) {
      const length = part.channels * area;
      data.set(part.data.subarray(image * length, (image + 1) * length), at);
      at += length;
    }
  }
  return { data, images, channels, height, width };
}
