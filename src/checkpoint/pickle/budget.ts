/** Work that one pickle may still cause; shared lists could otherwise multiply it without bound. */
export interface Budget {
  entries: number;
}
