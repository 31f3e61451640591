import { isPth2tfjsError, Pth2tfjsError } from '../base/errors.js';
import { type JSONValue, parseStrictJSON } from '../base/strict-json.js';

/**
 * Reads the names of classes: one a line; or JSON, as a list of names, as an object from index to name
 * (`id2label`) or from name to index (`class_to_idx` of torchvision's ImageFolder), each also where it
 * stands in a configuration of Hugging Face or the like. Instead of a name there may be WordNet's number
 * and the name, as in Keras's `imagenet_class_index.json`.
 * @throws Pth2tfjsError `usage` for an empty name, indices that do not count up from 0, and JSON that
 *   holds no list of names, or several that differ
 */
export function parseLabels(text: string): readonly string[] {
  const plain = text.replace(/^\ufeff/, '');
  const labels = /^\s*[[{]/.test(plain) ? fromJSON(plain) : fromLines(plain);
  const empty = labels.findIndex((label) => label === undefined || label.trim() === '');
  if (empty !== -1 || labels.length === 0) throw bad(`has no name for class ${Math.max(empty, 0)}`);
  return labels as readonly string[];
}

/**
 * Checks that there is a name for each class. One logit tells two classes apart: it takes the name of the
 * class that it stands for, or before that also the other's.
 * @throws Pth2tfjsError `usage` when the labels are not as many as the classes
 */
export function checkLabels(labels: readonly string[], numClasses: number): void {
  const binary = numClasses === 1 && labels.length === 2;
  if (labels.length === numClasses || binary) return;
  const model = numClasses === 1 ? 'one logit' : `${numClasses} classes`;
  throw new Pth2tfjsError('usage', `${labels.length} labels for a model of ${model}`, {
    hint:
      numClasses === 1
        ? 'give the name of the class that is labelled 1, or those of 0 and 1'
        : 'give one name for each class, in the order of the logits',
  });
}

function fromLines(text: string): readonly string[] {
  return text.trimEnd().split(/\r\n|\n|\r/);
}

/** A name, or undefined where there is none. */
type Label = string | undefined;

function fromJSON(text: string): readonly Label[] {
  const value = parse(text);
  if (Array.isArray(value)) return value.map(nameOf);
  const object = value as ReadonlyMap<string, JSONValue>;
  const [chosen, ...others] = LISTS.filter((name) => isCollection(object.get(name)));
  if (chosen === undefined) return fromObject(object);
  const labels = fromCollection(object.get(chosen) as Collection);
  const other = others.find((name) => !agrees(labels, object.get(name) as Collection));
  if (other === undefined) return labels;
  throw bad(`has other names under ${other} than under ${chosen}`, 'leave one of them');
}

/**
 * Where files keep the names beside other things: Hugging Face, ImageFolder, torchvision's weights. Names
 * that come twice, as two of ImageNet's do, are not all there under the last two.
 */
const LISTS = [
  'id2label',
  'idx_to_class',
  'categories',
  'classes',
  'class_names',
  'labels',
  'label2id',
  'class_to_idx',
] as const;

/** Whether another list has no other names; one from name to index may lack names. */
function agrees(labels: readonly Label[], other: Collection): boolean {
  if (!(other instanceof Map)) return String(fromCollection(other)) === String(labels);
  return [...(other as ReadonlyMap<string, JSONValue>)].every(([key, value]) => {
    const [index, name] = nameOf(value) === undefined ? [value, key] : [key, nameOf(value)];
    return labels[indexOf(index) ?? -1] === name;
  });
}

function parse(text: string): JSONValue {
  try {
    return parseStrictJSON(text);
  } catch (cause) {
    if (!isPth2tfjsError(cause)) throw cause;
    throw bad(`is no JSON: ${cause.message}`, HINT, cause);
  }
}

type Collection = readonly JSONValue[] | ReadonlyMap<string, JSONValue>;

function isCollection(value: JSONValue | undefined): value is Collection {
  return Array.isArray(value) || value instanceof Map;
}

function fromCollection(list: Collection): readonly Label[] {
  return list instanceof Map ? fromObject(list) : (list as readonly JSONValue[]).map(nameOf);
}

/** A name, or the last of WordNet's number and the name. */
function nameOf(value: JSONValue): Label {
  if (typeof value === 'string') return value;
  const [id, name, ...more] = Array.isArray(value) ? (value as readonly JSONValue[]) : [];
  const pair = typeof id === 'string' && /^n\d{8}$/.test(id) && more.length === 0;
  return pair && typeof name === 'string' ? name : undefined;
}

/** From index to name, or from name to index: numbers are indices, and so is text where the other is none. */
function fromObject(object: ReadonlyMap<string, JSONValue>): readonly Label[] {
  const entries = [...object];
  const nameFirst =
    entries.every(([, value]) => typeof value === 'bigint') ||
    (entries.some(([key]) => indexOf(key) === undefined) &&
      entries.every(([, value]) => indexOf(value) !== undefined));
  const labels = new Array<Label>(entries.length).fill(undefined);
  const taken = new Set<number>();
  for (const [key, value] of entries) {
    const index = indexOf(nameFirst ? value : key);
    if (index === undefined || index >= labels.length || taken.has(index)) {
      throw bad(odd(nameFirst ? value : key, index, entries.length));
    }
    taken.add(index);
    labels[index] = nameFirst ? key : nameOf(value);
  }
  return labels;
}

function indexOf(value: JSONValue): number | undefined {
  const text = typeof value === 'bigint' ? String(value) : value;
  return typeof text === 'string' && /^(0|[1-9]\d{0,8})$/.test(text) ? Number(text) : undefined;
}

function odd(found: JSONValue, index: number | undefined, count: number): string {
  const range = `indices must count up from 0 to ${count - 1}`;
  if (index !== undefined)
    return `has the index ${index}${index < count ? ' twice' : ''}; ${range}`;
  const shown = typeof found === 'string' ? `'${found.slice(0, 80)}'` : 'something else';
  return `has ${shown} where an index belongs; ${range}`;
}

const HINT =
  "write one name a line, or JSON: a list of names, or an object such as torchvision's class_to_idx";

function bad(message: string, hint = HINT, cause?: unknown): Pth2tfjsError {
  return new Pth2tfjsError('usage', `the list of labels ${message}`, {
    hint,
    ...(cause === undefined ? {} : { cause }),
  });
}
