// What the snippet's sources meet that TypeScript's own types of a page don't know.

/** The hash in the addresses of all chunks, which scripts/snippet.mjs puts in. */
declare const CHUNKS: string;
/** What a page calls; before the snippet runs, the stub, whose calls wait in `q`. */
declare var headwater: any;

interface Navigator {
  readonly globalPrivacyControl?: boolean;
}

interface Window {
  /** The write key of the demo's tab, which www/demo/key.js reads. */
  readonly writeKey: string;
}
