import { Pth2tfjsError } from './errors.js';

/**
 * Reads the names of classes: one a line; or JSON, as a list of names, as an object from index to name
 * (`id2label` in configurations of Hugging Face), or from name to index (`class_to_idx` of
 * torchvision's ImageFolder).
 * @throws Pth2tfjsError `usage` for an empty name, or indices that do not count up from 0
 */
export function parseLabels(text: string): readonly string[] {
  const plain = text.replace(/^\ufeff/, '');
  const labels = /^\s*[[{]/.test(plain) ? fromJSON(plain) : fromLines(plain);
  const empty = labels.findIndex((label) => typeof label !== 'string' || label.trim() === '');
  if (empty !== -1) throw bad(`has no name for class ${empty}`);
  return labels as readonly string[];
}

/** @throws Pth2tfjsError `usage` when the labels are not as many as the classes */
export function checkLabels(labels: readonly string[], numClasses: number): void {
  if (labels.length === numClasses) return;
  throw new Pth2tfjsError('usage', `${labels.length} labels for a model of ${numClasses} classes`, {
    hint: 'give one name for each class, in the order of the logits',
  });
}

function fromLines(text: string): readonly string[] {
  return text.trimEnd().split(/\r?\n/);
}

function fromJSON(text: string): readonly unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw bad(`is no JSON: ${String(cause)}`, cause);
  }
  if (Array.isArray(value)) return value;
  const entries = Object.entries(value as object);
  const nameFirst = entries.every(([, index]) => typeof index === 'number');
  const labels: unknown[] = [];
  for (const [key, other] of entries) {
    const index = Number(nameFirst ? other : key);
    if (!(Number.isInteger(index) && index >= 0 && index < entries.length) || index in labels) {
      throw bad(`has the index ${index}; indices must count up from 0 to ${entries.length - 1}`);
    }
    labels[index] = nameFirst ? key : other;
  }
  return labels;
}

function bad(message: string, cause?: unknown): Pth2tfjsError {
  return new Pth2tfjsError('usage', `the list of labels ${message}`, {
    hint: 'write one name a line, or a JSON list',
    ...(cause === undefined ? {} : { cause }),
  });
}
