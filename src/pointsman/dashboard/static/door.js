// What stands in for a page that takes a key: asks for one, and shows the page of this address that it opens.

import { forgetKey, key, keepKey, KeyNeeded, page } from "./api.js";
import { byId, el } from "./dom.js";

async function enter() {
  try {
    show(await page(location.href));
  } catch (error) {
    byId("trouble").hidden = error instanceof KeyNeeded;
    byId("trouble").textContent = error.message;
    byId("key").hidden = false;
    byId("key-error").textContent = error instanceof KeyNeeded && key() ? error.message : "";
    byId("secret").focus();
  }
}

/** A page of the gateway's own, whose texts it has escaped; nothing of it runs here. It brings its own looks. */
function show(text) {
  const [head, rules, rest] = text.split(/<\/?style>/); // the policy of this page forbids the element
  const made = new DOMParser().parseFromString(head + rest, "text/html");
  const looks = new CSSStyleSheet();
  looks.replaceSync(rules);
  for (const one of document.querySelectorAll("link[rel=stylesheet], meta[name=color-scheme]")) one.remove();
  document.adoptedStyleSheets = [looks];
  document.title = made.title;
  document.body.replaceChildren(...made.body.childNodes);
  document.body.append(el("button", { type: "button", class: "screen", id: "forget", click: leave }, "Forget key"));
}

function leave() {
  forgetKey();
  location.reload();
}

byId("key").addEventListener("submit", (event) => {
  event.preventDefault();
  keepKey(byId("secret").value.trim());
  byId("secret").value = "";
  enter();
});

if (key()) enter();
else {
  byId("key").hidden = false;
  byId("secret").focus();
}
