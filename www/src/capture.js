/** What a person does on a page, told by the attributes of what is clicked or sent. */

/**
 * @param {(kind: string) => unknown} wanted
 * @param {(name: string, props: object) => void} track
 */
export function capture(wanted, track) {
  /** @param {Event} event */
  const look = (event) => {
    const target = /** @type {Element} */ (event.composedPath()[0]);
    const submit = event.type == "submit";
    const marked = /** @type {HTMLElement} */ (submit ? target : target.closest("[data-hw-event]:not(form)"));
    const name = marked?.getAttribute("data-hw-event");
    if (name) {
      /** @type {Record<string, string>} */
      const props = {};
      for (const { name, value } of marked.attributes)
        if (/^data-hw-(?!event$)/.test(name)) props[name.slice(8).replace(/-/g, "_")] = value;
      track(name, props);
    }
    if (submit) {
      const form = /** @type {HTMLFormElement} */ (target);
      wanted("forms") && track("form_submit", {
        form_id: form.getAttribute("id") || form.getAttribute("name") || "form",
        fields: [...new Set([...new FormData(form)].flatMap(([name, value]) => (value ? name : [])))],
      });
      return;
    }
    const link = /** @type {HTMLAnchorElement} */ (target.closest("a[href]"));
    if (!link || !/^http/.test(link.protocol)) return;
    const file = /\.(pdf|docx?|xlsx?|pptx?|csv|txt|zip|rar|7z|t?gz|dmg|exe|msi|pkg|apk|iso|epub|mp[34]|wav|mov|avi)$/i.exec(link.pathname);
    if (file || link.hasAttribute("download")) wanted("downloads") && track("download", { href: link.href, file_type: file?.[1].toLowerCase() });
    else if (link.host != location.host) wanted("outbound") && track("click", { target: link.id || link.host, href: link.href, outbound: true, text: link.innerText.slice(0,200) });
  };
  ["click", "auxclick", "submit"].map((type) => document.addEventListener(type, look, true));
}
