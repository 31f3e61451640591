import { isDangerous, SAVE_AGAIN } from './danger.js';
import { ALL_OPCODES } from './opcodes.js';
import { PickleCursor } from './pickle-cursor.js';

/** Pickles that `pickle.dump` wrote and not `torch.save`, of every protocol; told apart, not read. */

/** The globals that a file names from its first byte to STOP, which is its last; undefined if it is no pickle. */
function globalsOf(bytes: Uint8Array): string[] | undefined {
  const cursor = new PickleCursor(bytes, 0, ALL_OPCODES);
  const globals: string[] = [];
  const texts: string[] = [];
  try {
    for (let step = cursor.next(); step.opcode.name !== 'STOP'; step = cursor.next()) {
      const { name, pushes } = step.opcode;
      if (name === 'GLOBAL' || name === 'INST') globals.push(step.text);
      if (name === 'STACK_GLOBAL') globals.push(texts.slice(-2).join('.'));
      if (pushes === 'str')
        texts.push(cursor.decode(step.start, Math.min(step.end, step.start + 200)));
    }
  } catch {
    return undefined;
  }
  return cursor.position === bytes.length ? globals : undefined;
}

/** What a plain pickle is, and what to do with it; undefined for bytes that are none. */
export function describePlainPickle(
  bytes: Uint8Array,
): readonly [what: string, hint: string] | undefined {
  const first = String.fromCharCode(bytes[0] ?? 0);
  const declared = bytes[0] === 0x80 && (bytes[1] ?? 255) <= 5;
  const globals = declared || /[(\]}cINVSLFKMJGX]/.test(first) ? globalsOf(bytes) : undefined;
  if (globals === undefined)
    return declared ? ['a plain pickle that is cut short', SAVE_AGAIN] : undefined;
  const danger = globals.find((name) => isDangerous(name) && !/_load_from_bytes$/.test(name));
  if (danger !== undefined) {
    return [
      `a plain pickle that asks for ${danger}, through which it could run code in Python`,
      `do not load it in Python; ${SAVE_AGAIN}`,
    ];
  }
  if (globals.some((name) => name.startsWith('torch.distributed.checkpoint.'))) {
    return [
      'the .metadata of a distributed checkpoint',
      "in Python, for the folder that it lies in: from torch.distributed.checkpoint.format_utils import dcp_to_torch_save; dcp_to_torch_save('FOLDER', 'out.pth')",
    ];
  }
  return ['a plain pickle, not written by torch.save', SAVE_AGAIN];
}
