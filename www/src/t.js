import { start } from "./start.js";

const script = document.currentScript;
const begin = () => {
  const waiting = window.headwater?.q || [];
  window.headwater = start({ ...script.dataset, src: script.src });
  for (const call of waiting) window.headwater(...call);
};
document.prerendering ? document.addEventListener("prerenderingchange", begin) : begin();
