/** What stands in the project's Markdown, taken apart for the tests of the documentation. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type MarkedToken, marked, type Token, type Tokens } from 'marked';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The README, and the pages of docs/. */
export const PAGES: readonly string[] = [
  'README.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** A block of code on a page. */
export interface Example {
  readonly page: string;
  readonly lang: string;
  readonly code: string;
  /** Its page and its first line. */
  readonly title: string;
  readonly directives: Directives;
  /** What it prints, if the block after it is there to show that. */
  readonly prints?: string;
}

/** What a comment before a block, which readers do not see, says about running it. */
interface Directives {
  /** `<!-- test:`, a line each of code that the block takes for granted, `-->` */
  readonly preamble: string;
  /** `<!-- test: exit 1 -->` */
  readonly exit: number;
  /** `<!-- test: golden.pth is FILE -->`, of the folder golden/ */
  readonly golden: string | undefined;
  /** `<!-- test: prints -->`: the block shows what the one before it prints. */
  readonly prints: boolean;
}

/** All tokens of a page, those inside of lists, tables and links too, in the order of the page. */
export function tokensOf(page: string): readonly MarkedToken[] {
  const tokens: MarkedToken[] = [];
  marked.walkTokens(
    marked.lexer(readFileSync(join(ROOT, page), 'utf8'), { gfm: true }),
    (token) => {
      tokens.push(token as MarkedToken);
    },
  );
  return tokens;
}

/** The blocks of code on a page. */
export function examplesOf(page: string): readonly Example[] {
  const examples: Example[] = [];
  let comment = '';
  for (const token of tokensOf(page)) {
    if (token.type === 'html') comment = token.text;
    if (token.type !== 'code') continue;
    const directives = parseDirectives(comment);
    comment = '';
    const before = examples.at(-1);
    if (directives.prints && before !== undefined) {
      examples[examples.length - 1] = { ...before, prints: token.text };
      continue;
    }
    const title = `${page}: ${token.text.split('\n')[0]}`;
    examples.push({ page, lang: token.lang ?? '', code: token.text, title, directives });
  }
  return examples;
}

function parseDirectives(comment: string): Directives {
  const [, text = ''] = /^<!-- test:(.*?)-->/s.exec(comment.trim()) ?? [];
  const line = text.startsWith('\n') ? '' : text.trim();
  const known = /^(exit \d+|prints|golden\.pth is \S+)?$/.test(line);
  if (!known) throw new Error(`<!-- test: ${line} --> means nothing`);
  return {
    preamble: text.startsWith('\n') ? text.trim() : '',
    exit: Number(/^exit (\d+)$/.exec(line)?.[1] ?? 0),
    golden: /^golden\.pth is (\S+)$/.exec(line)?.[1],
    prints: line === 'prints',
  };
}

/** Where the links and pictures of a page lead. */
export function linksOf(page: string): readonly string[] {
  return tokensOf(page).flatMap((token) => {
    if (token.type === 'link' || token.type === 'image') return [token.href];
    if (token.type !== 'html') return [];
    return [...token.text.matchAll(/(?:href|src)="([^"]*)"/g)].map(([, href = '']) => href);
  });
}

/** The anchors that GitHub gives to the headings of a page. */
export function anchorsOf(page: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const token of tokensOf(page)) {
    if (token.type !== 'heading') continue;
    const text = textOf(token.tokens).toLowerCase();
    const anchor = text.replace(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-');
    anchors.add(anchors.has(anchor) ? `${anchor}-1` : anchor);
  }
  return anchors;
}

/** The rows of all tables on a page that have this header; each cell as Markdown. */
export function rowsOf(page: string, header: readonly string[]): readonly string[][] {
  return tokensOf(page)
    .filter((token): token is Tokens.Table => token.type === 'table')
    .filter((table) => String(table.header.map(({ text }) => text)) === String(header))
    .flatMap(({ rows }) => rows.map((row) => row.map(({ text }) => text)));
}

/** What stands in backticks. */
export function codeIn(markdown: string): readonly string[] {
  return [...markdown.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code);
}

function textOf(tokens: readonly Token[]): string {
  return tokens.map((token) => ('text' in token ? token.text : token.raw)).join('');
}
