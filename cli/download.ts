import { Collector, collectStream } from '../src/base/collect.js';
import { isPth2tfjsError, Pth2tfjsError } from '../src/base/errors.js';
import { withoutSecrets } from '../src/base/printable.js';
import type { ProgressSink } from './progress.js';
import { reason } from './read-errors.js';

export interface DownloadOptions {
  readonly progress?: ProgressSink;
  /** Larger bodies are refused. */
  readonly maxBytes: number;
  /** A download that brings no byte for this long fails. */
  readonly idleTimeoutMs: number;
}

/** setTimeout fires at once when asked for more than this. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/** One download under way, as the errors about it need to know it. */
interface Transfer {
  readonly shown: string;
  readonly maxBytes: number;
  /** How many bytes the server announced; a compressed body's length says nothing about ours. */
  total: number | undefined;
  received: number;
}

/** What came of a download. */
export interface Download {
  readonly bytes: Uint8Array;
  /** Where they came from in the end. */
  readonly from: URL;
}

/** The body of what an `http:` or `https:` URL leads to, redirections followed. */
export async function download(url: URL, options: DownloadOptions): Promise<Download> {
  const { maxBytes } = options;
  const transfer: Transfer = { shown: printableUrl(url), maxBytes, total: undefined, received: 0 };
  const stop = new AbortController();
  const idleMs = Math.min(options.idleTimeoutMs, LONGEST_TIMEOUT_MS);
  const timer = setTimeout(() => stop.abort(stalled(transfer, idleMs)), idleMs);
  try {
    const response = await request(url, stop.signal);
    checkResponse(response, transfer);
    const bytes = await receive(response, transfer, timer, options.progress);
    return { bytes, from: URL.canParse(response.url) ? new URL(response.url) : url };
  } catch (error) {
    // After an abort this is its reason, which is already one of ours.
    throw transferError(transfer, error);
  } finally {
    clearTimeout(timer);
    // Closes the connection of a body that was not read to its end.
    stop.abort();
  }
}

/** fetch refuses URLs with credentials, so they travel in the header that they stand for. */
async function request(url: URL, signal: AbortSignal): Promise<Response> {
  const bare = new URL(url);
  bare.username = '';
  bare.password = '';
  // Checkpoints hardly compress, and only an unencoded length can be checked.
  const headers = new Headers({ 'accept-encoding': 'identity' });
  if (url.username !== '' || url.password !== '') {
    const pair = `${decoded(url.username)}:${decoded(url.password)}`;
    headers.set('authorization', `Basic ${Buffer.from(pair).toString('base64')}`);
  }
  return fetch(bare, { headers, signal, redirect: 'follow' });
}

function checkResponse(response: Response, transfer: Transfer): void {
  const { status, statusText } = response;
  if (!response.ok) {
    const via = response.redirected ? `, redirected to ${printableUrl(new URL(response.url))}` : '';
    const answer = `HTTP ${status} ${statusText}`.trimEnd();
    throw new Pth2tfjsError('io', `the server answered ${answer} for ${transfer.shown}${via}`, {
      hint: statusHint(status),
    });
  }
  const length = response.headers.get('content-length') ?? '';
  const encoding = response.headers.get('content-encoding') ?? 'identity';
  if (!/^[0-9]+$/.test(length) || encoding !== 'identity') return;
  transfer.total = Number(length);
}

async function receive(
  response: Response,
  transfer: Transfer,
  timer: NodeJS.Timeout,
  progress?: ProgressSink,
): Promise<Uint8Array> {
  const { shown, maxBytes, total } = transfer;
  const collector = new Collector(shown, maxBytes, total);
  progress?.start(total);
  try {
    const body = response.body ?? new Blob([]).stream();
    const onChunk = (chunk: Uint8Array) => {
      timer.refresh();
      transfer.received += chunk.length;
      progress?.update(transfer.received);
    };
    const bytes = await collectStream(body, collector, { onChunk });
    if (total !== undefined && transfer.received < total) throw cutShort(transfer);
    return bytes;
  } finally {
    progress?.end();
  }
}

export function parseUrl(location: string): URL {
  if (URL.canParse(location)) return new URL(location);
  // Not even a broken URL's credentials may be printed: whatever precedes an @ goes.
  throw new Pth2tfjsError('usage', `not a valid URL: ${location.replace(/\/\/.*@/, '//***@')}`, {
    hint: 'pass a path, or a URL such as https://example.com/model.pth',
  });
}

/** The last part of the path, as torch.hub has it, for that is what carries the hash. */
export function urlName(url: URL): string {
  const raw = url.pathname.slice(url.pathname.lastIndexOf('/') + 1);
  const name = decoded(raw);
  if (name === '') return url.hostname;
  // An escaped separator or control character has no business in a name.
  return /[/\\\p{Cc}]/u.test(name) ? raw : name;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A URL as messages may show it. */
export function printableUrl(url: URL): string {
  return withoutSecrets(url.href);
}

function statusHint(status: number): string {
  if (status === 401 || status === 403) return 'download the file with a browser and pass its path';
  if (status === 429 || status >= 500) return 'try again later';
  return 'check the address';
}

function transferError(transfer: Transfer, error: unknown): unknown {
  if (isPth2tfjsError(error)) return error;
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  if (transfer.total !== undefined) return cutShort(transfer, cause);
  return new Pth2tfjsError('io', `cannot download ${transfer.shown}: ${reason(cause)}`, {
    hint: 'check the address and the network, or download the file otherwise and pass its path',
    cause,
  });
}

function cutShort({ shown, received, total }: Transfer, cause?: unknown): Pth2tfjsError {
  const why = cause === undefined ? '' : `: ${reason(cause)}`;
  const text = `only ${received} of ${total} bytes of ${shown} came${why}`;
  return new Pth2tfjsError('truncated', text, { hint: 'download it again', cause });
}

function stalled({ shown, received }: Transfer, idleMs: number): Pth2tfjsError {
  const text = `no data for ${idleMs / 1000} s after ${received} bytes of ${shown}`;
  return new Pth2tfjsError('io', text, { hint: 'check the network and try again' });
}
