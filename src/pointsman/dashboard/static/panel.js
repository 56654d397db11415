// The panel beside the table: opens, closes, and keeps the keyboard where it belongs.

import { get } from "./api.js";
import { sections } from "./detail.js";
import { byId, el } from "./dom.js";
import { go, read } from "./place.js";

const narrow = matchMedia("(max-width: 60rem)");

export function startPanel() {
  byId("close").addEventListener("click", () => go("call", ""));
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && read("call")) go("call", "");
  });
  narrow.addEventListener("change", cover);
}

/** Open the panel on a call, or close it where there is no id. */
export async function showCall(id) {
  const panel = byId("panel");
  const left = byId("rows").querySelector("[aria-current]");
  const wasOpen = !panel.hidden;
  left?.removeAttribute("aria-current");
  byId("rows").querySelector(`[data-id="${CSS.escape(id)}"]`)?.setAttribute("aria-current", "true");
  panel.hidden = !id;
  document.body.classList.toggle("beside", Boolean(id));
  cover();
  if (!id) {
    if (wasOpen) (left?.querySelector("a") ?? byId("filter")).focus();
    return;
  }
  byId("panel-body").replaceChildren(el("p", { class: "note" }, "Reading…"));
  byId("panel-title").focus();
  let parts;
  try {
    parts = sections(await get(`calls/${encodeURIComponent(id)}`));
  } catch (error) {
    parts = [el("p", { class: "notice bad" }, error.message)];
  }
  if (read("call") === id) byId("panel-body").replaceChildren(...parts.filter(Boolean));
}

/** Where the panel covers the page, nobody should stand behind it. */
function cover() {
  byId("page").inert = narrow.matches && !byId("panel").hidden;
}
