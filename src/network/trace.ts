import { join, type Module } from './module.js';
import { multiplyAccumulates, outputShape } from './shapes.js';
import type { Op, Recorder, Shape, Traced, Value } from './value.js';

/** A network as the operations that it runs. */

export interface Graph {
  readonly input: Value;
  /** In the order of running, the input first. */
  readonly values: readonly Value[];
  /** The logits, then what else the network gives. */
  readonly outputs: readonly Value[];
}

/** What a module of the network did. */
export interface ModuleRun {
  readonly output: Shape;
  readonly macs: number;
}

export interface Trace extends Graph {
  /** By the modules' paths. */
  readonly runs: ReadonlyMap<string, ModuleRun>;
}

/**
 * Runs a network on symbols.
 * @param input of one image: channels, height and width
 */
export function trace(root: Module, input: Shape): Trace {
  const tracer = new Tracer();
  const start = tracer.start(input);
  const outputs = tracer.run(root, '', start);
  return { input: start, values: tracer.values, outputs, runs: tracer.runs };
}

/** Writable while its module runs: the last value becomes the module's output. */
interface Noted extends Traced {
  path: string;
}

class Tracer implements Recorder {
  readonly values: Noted[] = [];
  readonly runs = new Map<string, ModuleRun>();
  private readonly paths = new Set<string>();
  private scope = '';

  start(shape: Shape): Traced {
    return this.note('input', { type: 'input' }, [], shape);
  }

  add(name: string, op: Op, from: readonly Traced[]): Traced {
    const inputs = from.map(({ shape }) => shape);
    const path = name === '' ? this.scope : join(this.scope, name);
    return this.note(path, op, from, outputShape(op, inputs));
  }

  private note(path: string, op: Op, from: readonly Traced[], shape: Shape): Traced {
    const value: Noted = { path: this.unique(path), op, from, shape, recorder: this };
    this.values.push(value);
    return value;
  }

  run(module: Module, path: string, input: Traced): readonly Traced[] {
    const [outer, start] = [this.scope, this.values.length];
    this.scope = path;
    const call = (name: string, from: Traced) => {
      const [output, ...more] = this.run(module.children[name] as Module, join(path, name), from);
      if (output === undefined || more.length > 0) throw new Error(`${name} has several outputs`);
      return output;
    };
    const outputs = [module.forward(input, call, path)].flat();
    this.scope = outer;
    const [output = input] = outputs;
    const own = this.values.slice(start);
    this.name(own, output, path);
    const macs = own.reduce((sum, value) => sum + multiplyAccumulates(value), 0);
    this.runs.set(path, { output: output.shape, macs });
    return outputs;
  }

  /** What a module's own `forward` computed last is the module's output; a child's keeps its own name. */
  private name(own: readonly Noted[], output: Traced, path: string): void {
    const value = own.find((each) => each === output);
    const isOwn = value?.path.startsWith(path) && !value.path.slice(path.length + 1).includes('.');
    if (path === '' || value === undefined || !isOwn || this.runs.has(value.path)) return;
    this.paths.delete(value.path);
    value.path = this.unique(path);
  }

  /** Modules and functions that run twice give two values. */
  private unique(path: string): string {
    let name = path;
    for (let i = 1; this.paths.has(name); i++) name = `${path}_${i}`;
    this.paths.add(name);
    return name;
  }
}
