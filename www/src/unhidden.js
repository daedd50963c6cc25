/**
 * Returns a property of the document, from its prototype, since `<img name=title>` and its like hide the document's own.
 *
 * @param {string} name
 */
export const unhidden = (name) => Reflect.get(Document.prototype, name, document);
