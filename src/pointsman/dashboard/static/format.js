// Figures for people. Money comes in nano-dollars, times in nanoseconds; BigInt where a number would be too coarse.

const count = new Intl.NumberFormat("en-GB");
const parts = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
const clock = new Intl.DateTimeFormat(undefined, parts);
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const NANOS = 1_000_000_000n;
const SPANS = [
  ["d", 86_400, "h", 3600],
  ["h", 3600, "min", 60],
  ["min", 60, "s", 1],
];

/** All decimals of an amount, without trailing zeros: `$0.0000041`. */
export function exactMoney(nanos) {
  const amount = BigInt(nanos);
  const size = amount < 0n ? -amount : amount;
  const rest = String(size % NANOS).padStart(9, "0").replace(/0+$/, "");
  return `${amount < 0n ? "−" : ""}$${count.format(size / NANOS)}${rest && "."}${rest}`;
}

/** An amount to four significant figures. */
export function money(nanos) {
  const amount = BigInt(nanos);
  const extra = String(amount < 0n ? -amount : amount).length - 4;
  if (extra <= 0) return exactMoney(amount);
  const unit = 10n ** BigInt(extra);
  const half = amount < 0n ? -unit / 2n : unit / 2n;
  const text = exactMoney(((amount + half) / unit) * unit);
  const cents = /\.(\d)$/.exec(text);
  return cents ? `${text}0` : text;
}

/** US dollars per million tokens from pico-dollars per token. */
export const perMillion = (picos) => exactMoney(BigInt(picos) * 1000n);

/** US dollars for a piece from pico-dollars, all decimals: `$0.01`. */
export function each(picos) {
  const rest = String(BigInt(picos) % (NANOS * 1000n)).padStart(12, "0").replace(/0+$/, "");
  return `$${count.format(BigInt(picos) / (NANOS * 1000n))}${rest && "."}${rest}`;
}

/** How many decimals show an amount in full. */
export const decimals = (nanos) => String(BigInt(nanos) % NANOS).padStart(9, "0").replace(/0+$/, "").length;

/** An amount with so many decimals, so that points stand below each other: `$0.0000410`. */
export function costIn(nanos, places) {
  const amount = BigInt(nanos);
  const rest = String(amount % NANOS).padStart(9, "0").slice(0, places);
  return `$${count.format(amount / NANOS)}${rest && "."}${rest}`;
}

/** A minute of the day: `16:30`. */
export const clockOf = (minute) => `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;

export const whole = (value) => count.format(value);

/** A duration: `0.48 ms`, `27 ms`, `1.11 s`, `3 min 20 s`. */
export function duration(nanos) {
  if (nanos === null) return "–";
  const ms = Number(nanos) / 1e6;
  if (ms === 0) return "0 ms";
  if (ms < 10) return `${ms.toPrecision(2)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 99_950) return `${(ms / 1000).toPrecision(3)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** How long something lasts, in seconds, as people say it: `42 s`, `4 min 10 s`, `3 h 5 min`, `2 d 4 h`. */
export function length(seconds) {
  const all = Math.round(seconds);
  for (const [unit, size, lesser, part] of SPANS) {
    if (all < size) continue;
    const rest = Math.floor((all % size) / part);
    return `${Math.floor(all / size)} ${unit}${rest ? ` ${rest} ${lesser}` : ""}`;
  }
  return `${all} s`;
}

/** A moment in local time; the date too where that is not today's. */
export function moment(nanos) {
  const date = new Date(Number(nanos) / 1e6);
  const today = date.toDateString() === new Date().toDateString();
  return { text: today ? clock.format(date) : `${day.format(date)} ${clock.format(date)}`, iso: date.toISOString() };
}

/** What a call or attempt cost, in words that never take unpriced for free; of a call also by its `attempts`. */
export function cost(row, attempts = []) {
  if (row.cost !== null) {
    const about = row.estimated_cost || [row, ...attempts].some((one) => one.usage?.estimated) ? "≈" : "";
    const why = about ? ", some on tokens counted here: a provider stated none" : " in full";
    return { text: about + money(row.cost), title: exactMoney(row.cost) + why };
  }
  if (row.usage !== null) return { text: "unpriced", title: "No price is known for this model" };
  if (row.unpriced) return { text: "unpriced", title: "What was used is not known here, and so not what it cost" };
  return { text: "–", title: "Nothing was billed that is known" };
}

/** Tokens in and out; `≈` where they are estimated. */
export function tokens(usage) {
  if (usage === null) return "–";
  return `${usage.estimated ? "≈" : ""}${whole(usage.input)} → ${whole(usage.output)}`;
}
