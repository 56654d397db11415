// What the address says after `#`: `call` is open, `status` is shown, `window` is summed. So every view is a link.

const said = () => new URLSearchParams(location.hash.slice(1));

export const read = (name) => said().get(name) ?? "";

/** The address with one field changed. */
export function link(name, value) {
  const fields = said();
  if (value) fields.set(name, value);
  else fields.delete(name);
  return `#${fields}`;
}

export function go(name, value) {
  location.hash = link(name, value);
}

/** Call `changed` now and whenever the field changes. */
export function follow(name, changed) {
  let last = read(name);
  changed(last);
  addEventListener("hashchange", () => {
    if (read(name) !== last) changed((last = read(name)));
  });
}
