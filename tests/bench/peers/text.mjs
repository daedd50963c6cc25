/** The text of a request's body, inflated if it is gzip. */
export function textOf(request) {
  if (request.headers.get("content-encoding") !== "gzip") return request.text();
  return new Response(request.body.pipeThrough(new DecompressionStream("gzip"))).text();
}
