/** A small model whose files lie on the disk and on a server. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import type { Pth2tfjsError } from '../../src/index.js';
import { temporaryFolder } from '../helpers/cli.js';
import { saveTiny, type TinyModel, tinyJSON } from '../helpers/tiny-model.js';

const root = temporaryFolder();
export let tiny: TinyModel;
let server: Server;
export let base: string;
/** What was asked of the server. */
export const asked: string[] = [];
/** Answers to paths, on top of the files. */
export const answers = new Map<string, Uint8Array>();

beforeAll(async () => {
  tiny = await saveTiny();
  server = createServer(({ url = '' }, response) => {
    asked.push(url);
    const { pathname } = new URL(url, 'http://127.0.0.1');
    const bytes = answers.get(decodeURIComponent(pathname));
    response.writeHead(bytes === undefined ? 404 : 200).end(bytes ?? 'no such file');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

/** Puts files into a folder of their own, on the disk and on the server. */
export function place(name: string, files: Readonly<Record<string, Uint8Array | string>>): string {
  for (const [path, content] of Object.entries(files)) {
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
    mkdirSync(dirname(join(root, name, path)), { recursive: true });
    writeFileSync(join(root, name, path), bytes);
    answers.set(`/${name}/${path}`, bytes);
  }
  return join(root, name);
}

export const json = (paths: readonly string[], more?: object) =>
  JSON.stringify(tinyJSON(tiny, paths, more));

export async function failureOf(work: () => Promise<unknown>): Promise<Pth2tfjsError> {
  const error = await work().then(
    () => expect.fail('it worked'),
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: 'Pth2tfjsError' });
  return error as Pth2tfjsError;
}
