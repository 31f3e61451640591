import { Pth2tfjsError } from './errors.js';

/**
 * A value in a JSON text. Objects are Maps in the order of the text, so that no key means anything to
 * JavaScript; whole numbers are bigints and thus exact, all others are numbers.
 */
export type JSONValue =
  | string
  | bigint
  | number
  | boolean
  | null
  | readonly JSONValue[]
  | ReadonlyMap<string, JSONValue>;

/** Bounds on the memory that a text of any size can ask for. */
const MAX_VALUES = 2 ** 22;
const MAX_DEPTH = 32;
const MAX_NUMBER_LENGTH = 32;
/** A longer key is not shown whole. */
const MAX_SHOWN = 80;

/**
 * Reads a JSON text (RFC 8259) more strictly than `JSON.parse`, which takes the last of several equal
 * keys and knows no whole numbers: keys must differ, and text must be valid Unicode.
 * @throws Pth2tfjsError `corrupt` for anything else, `limit` for too many or too deeply nested values
 */
export function parseStrictJSON(text: string): JSONValue {
  return new Reader(text).document();
}

class Reader {
  private at = 0;
  private values = 0;

  constructor(private readonly text: string) {}

  document(): JSONValue {
    const value = this.value(0);
    this.skipSpace();
    if (this.at < this.text.length) this.fail('something follows the JSON value');
    return value;
  }

  private value(depth: number): JSONValue {
    if (depth > MAX_DEPTH || ++this.values > MAX_VALUES) {
      const which = depth > MAX_DEPTH ? 'is nested too deeply' : 'holds too many values';
      throw new Pth2tfjsError('limit', `the JSON text ${which}`);
    }
    if (this.take('{')) return this.object(depth);
    if (this.take('[')) return this.list(depth);
    return this.text[this.at] === '"' ? this.string() : this.scalar();
  }

  private object(depth: number): ReadonlyMap<string, JSONValue> {
    const object = new Map<string, JSONValue>();
    if (this.take('}')) return object;
    do {
      this.skipSpace();
      const key = this.string();
      if (object.has(key))
        this.fail(`the key ${JSON.stringify(key.slice(0, MAX_SHOWN))} comes twice`);
      this.expect(':');
      object.set(key, this.value(depth + 1));
    } while (this.take(','));
    this.expect('}');
    return object;
  }

  private list(depth: number): readonly JSONValue[] {
    const list: JSONValue[] = [];
    if (this.take(']')) return list;
    do list.push(this.value(depth + 1));
    while (this.take(','));
    this.expect(']');
    return list;
  }

  private string(): string {
    if (this.text[this.at] !== '"') this.fail('a string is missing');
    let end = this.at;
    do end = this.text.indexOf('"', end + 1);
    while (end > 0 && this.isEscaped(end));
    if (end < 0) this.fail('a string does not end');
    const token = this.text.slice(this.at, end + 1);
    const value = this.parse(token) as string;
    if (/\p{Cs}/u.test(value)) this.fail('a string is no valid Unicode');
    this.at = end + 1;
    return value;
  }

  private isEscaped(at: number): boolean {
    let backslashes = 0;
    while (this.text[at - 1 - backslashes] === '\\') backslashes++;
    return backslashes % 2 === 1;
  }

  private scalar(): JSONValue {
    const [token = ''] =
      /^[\w.+-]*/.exec(this.text.slice(this.at, this.at + MAX_NUMBER_LENGTH)) ?? [];
    if (token.length === MAX_NUMBER_LENGTH) this.fail('a number is too long');
    const value = this.parse(token) as number | boolean | null;
    this.at += token.length;
    return /^-?[1-9]\d*$|^0$/.test(token) ? BigInt(token) : value;
  }

  /** What JSON says of one token. */
  private parse(token: string): unknown {
    try {
      return JSON.parse(token);
    } catch {
      return this.fail('there is no valid JSON');
    }
  }

  private take(character: string): boolean {
    this.skipSpace();
    if (this.text[this.at] !== character) return false;
    this.at++;
    return true;
  }

  private expect(character: string): void {
    if (!this.take(character)) this.fail(`a '${character}' is missing`);
  }

  private skipSpace(): void {
    while (SPACE.has(this.text[this.at] ?? '')) this.at++;
  }

  private fail(what: string): never {
    throw new Pth2tfjsError('corrupt', `${what} at character ${this.at} of the JSON text`);
  }
}

const SPACE = new Set([' ', '\t', '\n', '\r']);
