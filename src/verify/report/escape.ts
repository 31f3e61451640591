/**
 * Text between tags or in a quoted attribute, in HTML and XML alike. Characters that XML 1.0 cannot
 * hold at all, not even as a reference, become U+FFFD (https://www.w3.org/TR/xml/#charsets).
 */
export function escapeMarkup(text: string): string {
  return text
    .replace(/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** Text as a literal within a line or a table cell of GitHub-flavoured Markdown. */
export function escapeMarkdown(text: string): string {
  return text
    .replace(/[\r\n]+/g, ' ')
    .replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`)
    .replace(/(?<!&)[\\`*_{}[\]()~|$@!#]/g, (character) => `\\${character}`);
}
