import { asModule } from '../state-dict/pickled-module.js';
import type { NamedGlobal } from './danger.js';
import { OpaqueGlobal, OpaqueObject, opaqueName } from './inert.js';
import { reachableOpaque } from './walk.js';

/** Objects of one class or function that has no meaning here. */
export interface OpaqueClass {
  /** Full name, such as `omegaconf.dictconfig.DictConfig`. */
  readonly global: string;
  readonly count: number;
  /** Dotted path of the first in the saved value; its byte in the pickle where no path leads to it. */
  readonly where: string;
}

/**
 * The opaque things in a saved value, by the order in which they are met. Of modules the outermost counts,
 * and none at `network`, whose state dict is read.
 *
 * @param mentioned the globals without meaning that the pickle names
 * @param network the path of the network, `.` for the saved value itself
 */
export function listOpaque(
  value: unknown,
  mentioned: readonly NamedGlobal[],
  network?: string,
): OpaqueClass[] {
  if (mentioned.length === 0) return [];
  const unknown = new Set(mentioned.map(({ name }) => name));
  const found = new Map<string, { count: number; where: string }>();
  const explained = new Set<string>();
  const inner = new Set<unknown>();
  for (const [item, path = '.'] of reachableOpaque(value)) {
    const name = opaqueName(item);
    for (const one of namesIn(item)) explained.add(one);
    const module = asModule(item);
    for (const child of module?.modules.values() ?? []) inner.add(child);
    const known = item instanceof OpaqueObject ? item.known : !unknown.has(item.global);
    const read = module !== undefined && (inner.has(item) || path === network);
    if (known || read) continue;
    const { count = 0, where = path } = found.get(name) ?? {};
    found.set(name, { count: count + 1, where });
  }
  for (const { name, offset } of mentioned) {
    if (!explained.has(name)) found.set(name, { count: 1, where: `byte ${offset}` });
  }
  return [...found].map(([global, rest]) => ({ global, ...rest }));
}

/** The globals that a thing stands for, or was made through. */
function namesIn(item: OpaqueObject | OpaqueGlobal): string[] {
  if (item instanceof OpaqueGlobal) return [item.global];
  const direct = item.args.flatMap((arg) => (arg instanceof OpaqueGlobal ? [arg.global] : []));
  const owners = item.args.flatMap((arg) =>
    arg instanceof OpaqueObject ? [arg.global, opaqueName(arg)] : [],
  );
  return [item.global, opaqueName(item), ...direct, ...owners];
}

const SHOWN = 12;

/** One sentence about them. */
export function describeOpaque(classes: readonly OpaqueClass[]): string {
  const shown = classes
    .slice(0, SHOWN)
    .map(
      ({ global, count, where }) => `${global} (${count > 1 ? `${count}, first ` : ''}at ${where})`,
    );
  const rest = classes.length > SHOWN ? [`and ${classes.length - SHOWN} more`] : [];
  const total = classes.reduce((sum, { count }) => sum + count, 0);
  const were =
    total === 1
      ? '1 object that means nothing here was'
      : `${total} objects that mean nothing here were`;
  return `${were} set aside unread, and nothing in the file was run: ${[...shown, ...rest].join(', ')}`;
}
