// Elements from data. Text only ever becomes text: nothing here reads markup.

export const byId = (id) => document.getElementById(id);

/** An element; a property that is a function listens to that event; null, undefined and false are left out. */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

const keys = new WeakMap();
const plain = (_name, value) => (typeof value === "bigint" ? String(value) : value);

/** Replace what is inside `node`, but only when `facts` have changed: focus and selection stay where they are. */
export function fill(node, facts, make) {
  const key = JSON.stringify(facts, plain);
  if (keys.get(node) === key) return;
  keys.set(node, key);
  node.replaceChildren(...[make()].flat(Infinity).filter((child) => child !== null));
}

/** A button that copies `text` and says whether it could: browsers refuse on plain HTTP from another machine. */
export function copyButton(text, label) {
  const button = el("button", { type: "button", class: "quiet copy", "aria-label": label, click: copy }, "Copy");
  async function copy() {
    let done = false;
    try {
      await navigator.clipboard.writeText(text);
      done = true;
    } catch {
      done = copyBySelection(text, button);
    }
    button.textContent = done ? "Copied" : "Not allowed here: select it";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  }
  return button;
}

function copyBySelection(text, beside) {
  const area = el("textarea", { class: "unseen", readonly: true });
  area.value = text;
  beside.after(area);
  area.select();
  try {
    return document.execCommand("copy");
  } finally {
    area.remove();
    beside.focus();
  }
}
