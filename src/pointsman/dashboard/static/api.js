// The reading API. Addresses are relative to this file, so that the page works under any root path.

const base = new URL("../", import.meta.url);
const STORED = "pointsman.key";
const PATIENCE = 15_000; // milliseconds

export class KeyNeeded extends Error {}

export const address = (path) => new URL(path, base).href;
export const key = () => sessionStorage.getItem(STORED) ?? "";
export const keepKey = (secret) => sessionStorage.setItem(STORED, secret);
export const forgetKey = () => sessionStorage.removeItem(STORED);

/** GET `api/PATH` with the fields of `query` that say something. Throws KeyNeeded, or an Error fit to be shown. */
export async function get(path, query = {}) {
  const url = new URL(`api/${path}`, base);
  for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
  return JSON.parse(await asked(url), exact);
}

/** The text of a page; throws as `get`. Asked for as JSON is, so that a refusal comes in words and not as a page. */
export const page = (url) => asked(url);

async function asked(url) {
  const headers = key() ? { authorization: `Bearer ${key()}` } : {};
  const [answer, text] = await fetched(url, headers);
  if (answer.ok) return text;
  const said = message(text) || `The gateway answered ${answer.status}`;
  throw answer.status === 401 ? new KeyNeeded(said) : new Error(said);
}

async function fetched(url, headers) {
  try {
    const answer = await fetch(url, { headers, cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    return [answer, await answer.text()];
  } catch (error) {
    throw new Error("The gateway does not answer", { cause: error });
  }
}

/** Whole numbers that a double cannot hold become BigInt, from their own digits where the browser shows them. */
function exact(_name, value, context) {
  if (typeof value !== "number" || !Number.isInteger(value) || Number.isSafeInteger(value)) return value;
  return BigInt(context && /^-?\d+$/.test(context.source) ? context.source : value);
}

function message(text) {
  try {
    const { error } = JSON.parse(text);
    const hint = error.pointsman?.hint;
    return hint ? `${error.message} (${hint})` : error.message;
  } catch {
    return "";
  }
}
