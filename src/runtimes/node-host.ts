/**
 * What native libraries want of the process that they run in. Node is reached through `globalThis`: where
 * there is none, none of this does anything.
 */
interface Host {
  readonly process?: {
    readonly env: Environment;
    readonly versions?: { readonly node?: string };
    /** Since Node 20.16 and 22.3. */
    getBuiltinModule?(name: string): object | undefined;
  };
}

/** Variables that native libraries read, since Node passes what is set here on to them. */
interface Environment {
  NVIDIA_TF32_OVERRIDE?: string;
  TF_CPP_MIN_LOG_LEVEL?: string;
}

const host = () => (globalThis as unknown as Host).process;
const builtin = (name: string) => host()?.getBuiltinModule?.(name);
const environment = (): Environment => host()?.env ?? {};

/** Whether this is Node, or what calls itself so: Bun, Deno. */
export function isNode(): boolean {
  return host()?.versions?.node !== undefined;
}

/** Keeps TensorFlow's notes about itself off stderr, unless the user chose a level; errors remain. */
export function quietLibrary(): void {
  environment().TF_CPP_MIN_LOG_LEVEL ??= '2';
}

/** Whether NVIDIA's libraries are told to compute in float32 as written. */
export function isTF32Forbidden(): boolean {
  return environment().NVIDIA_TF32_OVERRIDE === '0';
}

/**
 * Tells NVIDIA's libraries, which read it once, to do without TF32. The variable stays, like them.
 * @param early whether none of them can have been loaded yet
 * @throws Error when it is too late, or when it would not reach them
 */
export function forbidTF32(early: boolean): void {
  if (isTF32Forbidden()) return;
  // A worker has a copy of the environment, which native libraries do not see.
  const worker = builtin('node:worker_threads') as { readonly isMainThread?: boolean } | undefined;
  if (!early || worker?.isMainThread === false) {
    throw new Error(
      'TF32 can no longer be turned off; start the process with NVIDIA_TF32_OVERRIDE=0, or allow TF32',
    );
  }
  environment().NVIDIA_TF32_OVERRIDE = '0';
}

/**
 * tfjs-node 4.22 calls two functions of Node's util for every tensor: Node 22 warns of both, and
 * Node 23 dropped the first.
 * @returns puts back what was there
 */
export function bridgeUtil(): () => void {
  const util = builtin('node:util');
  if (util === undefined) return () => undefined;
  const bridge = {
    isNullOrUndefined: (value: unknown) => value === null || value === undefined,
    isArray: Array.isArray,
  };
  const names = Object.keys(bridge);
  const before = names.map((name) => Reflect.getOwnPropertyDescriptor(util, name));
  Object.assign(util, bridge);
  return () => {
    for (const [at, name] of names.entries()) {
      const descriptor = before[at];
      if (descriptor === undefined) Reflect.deleteProperty(util, name);
      else Reflect.defineProperty(util, name, descriptor);
    }
  };
}
