import { Pth2tfjsError } from '../../base/errors.js';

/**
 * The same text, if it can be written in UTF-8.
 * @throws Pth2tfjsError `usage`
 */
export function checkText(text: string): string {
  if (!/\p{Surrogate}/u.test(text)) return text;
  throw new Pth2tfjsError('usage', `cannot save the key ${JSON.stringify(text)}: half a character`);
}
