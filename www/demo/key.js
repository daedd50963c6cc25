// The write key of this tab: `?key=` in the address, which is then removed from it, so that no event has it in its url.
// A classic script before the snippet's tag, since the tag needs the key before its script runs.

(() => {
  const NAME = "headwater-demo-key";
  const address = new URL(location.href);
  const given = address.searchParams.get("key");
  let key = given ?? "";
  try {
    if (given !== null) sessionStorage.setItem(NAME, given);
    key = sessionStorage.getItem(NAME) ?? "";
  } catch {
    // Without storage the key is forgotten when the page is loaded again.
  }
  if (given !== null) {
    address.searchParams.delete("key");
    history.replaceState(history.state, "", address);
  }
  window.writeKey = key;
  if (!key) return;
  // The observer runs once the tag is in the page, before its script can have come.
  new MutationObserver((_, observer) => {
    const tag = document.querySelector("script[data-endpoint]");
    if (!tag) return;
    observer.disconnect();
    tag.dataset.endpoint += `&key=${encodeURIComponent(key)}`;
  }).observe(document.head, { childList: true });
})();
