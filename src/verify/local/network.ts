import { type ConvBlock, inceptionBranches, STAGES } from '../../googlenet/architecture.js';
import { TRANSFORM_INPUT } from '../../googlenet/preprocess.js';
import type { Laboratory } from '../laboratory.js';
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
export function modulesOf(branch3Kernel: 3 | 5): readonly Module[] {
  const modules: Module[] = [];
  let last = INPUT;
  for (const stage of STAGES) {
    const { name } = stage;
    if (stage.type === 'conv') modules.push({ type: 'conv', name, from: [last], block: stage });
    if (stage.type === 'pool')
      modules.push({ type: 'pool', name, from: [last], pool: strided(stage) });
    if (stage.type === 'inception') {
      const branches = inceptionBranches(stage, branch3Kernel);
      modules.push(...branches.flatMap((convs, branch) => chain(name, last, branch, convs)));
      const ends = branches.map((convs) => (convs.at(-1) as ConvBlock).name);
      modules.push({ type: 'concatenation', name, from: ends });
    }
    last = name;
  }
  modules.push({ type: 'average', name: 'avgpool', from: [last] });
  return [...modules, { type: 'linear', name: 'fc', from: ['avgpool'] }];
}

/** One branch of an Inception block. */
function chain(
  stage: string,
  from: string,
  branch: number,
  convs: readonly ConvBlock[],
): readonly Module[] {
  const pool: Module = {
    type: 'pool',
    name: `${stage}.branch4.0`,
    from: [from],
    pool: BRANCH_POOL,
  };
  const start = branch === 3 ? [pool] : [];
  let last = branch === 3 ? pool.name : from;
  const blocks = convs.map((block): Module => {
    const module = { type: 'conv', name: block.name, from: [last], block } as const;
    last = block.name;
    return module;
  });
  return [...start, ...blocks];
}

const BRANCH_POOL: Pool = { kind: 'max', kernel: 3, stride: 1, padding: 1, ceil: true };

function strided({ kernel, stride }: { kernel: number; stride: number }): Pool {
  return { kind: 'max', kernel, stride, padding: 0, ceil: true };
}

/** What PyTorch's modules read and gave, as far as the golden file tells. */
export class Recording {
  readonly modules: ReadonlyMap<string, Module>;
  private readonly derived = new Map<string, Planes | undefined>();

  constructor(private readonly lab: Laboratory) {
    const branch3Kernel = lab.checkpoint?.branch3Kernel ?? branch3KernelOf(lab);
    this.modules = new Map(modulesOf(branch3Kernel).map((module) => [module.name, module]));
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
    return this.lab.transformInput ? { ...planes, data: transform(planes) } : planes;
  }
}

function branch3KernelOf({ model }: Laboratory): 3 | 5 {
  return model.weights.get('inception3a.branch3.1/kernel')?.shape[0] === 5 ? 5 : 3;
}

function transform({ data, channels, height, width }: Planes): Float32Array {
  const { scale, offset } = TRANSFORM_INPUT;
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
