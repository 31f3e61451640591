import { readFileSync } from 'node:fs';
import { DOMParser, type Element } from '@xmldom/xmldom';
import { parse, parseFragment, type DefaultTreeAdapterTypes as Tree } from 'parse5';
import { validateXML } from 'xmllint-wasm';

/** The schema that Jenkins' xUnit plugin judges by, under its own licence. */
const SCHEMA = readFileSync(new URL('report-junit-10.xsd', import.meta.url), 'utf8');

/** What libxml2 finds wrong with a JUnit report. */
export async function junitErrors(xml: string): Promise<readonly string[]> {
  const { errors } = await validateXML({
    xml: { fileName: 'report.xml', contents: xml },
    schema: SCHEMA,
  });
  return errors.map(({ rawMessage }) => rawMessage);
}

/** The elements of one name, in order. */
export function xmlElements(xml: string, name: string): Element[] {
  const onError = (_: string, message: string) => {
    throw new Error(message);
  };
  const document = new DOMParser({ onError }).parseFromString(xml, 'text/xml');
  return Array.from(document.getElementsByTagName(name));
}

export interface Page {
  /** What a browser's parser would silently mend. */
  readonly errors: readonly string[];
  readonly elements: readonly HTMLNode[];
}

export interface HTMLNode {
  readonly tag: string;
  readonly attributes: ReadonlyMap<string, string>;
  /** All text within, without that of styles. */
  readonly text: string;
}

/** A page, or with `fragment` a piece of one, as a browser understands it. */
export function parseHTML(html: string, fragment = false): Page {
  const errors: string[] = [];
  const onParseError = ({ code, startLine }: { code: string; startLine: number }) =>
    errors.push(`${code} in line ${startLine}`);
  const options = { onParseError, sourceCodeLocationInfo: true };
  const root = fragment ? parseFragment(html, options) : parse(html, options);
  return { errors, elements: collect(root) };
}

function collect(node: Tree.Node): HTMLNode[] {
  const children = 'childNodes' in node ? node.childNodes.flatMap(collect) : [];
  if (!('tagName' in node)) return children;
  const attributes = new Map(node.attrs.map(({ name, value }) => [name, value]));
  return [{ tag: node.tagName, attributes, text: textOf(node) }, ...children];
}

function textOf(node: Tree.Node): string {
  if ('value' in node) return node.value;
  if (!('childNodes' in node) || node.nodeName === 'style') return '';
  return node.childNodes.map(textOf).join('');
}
