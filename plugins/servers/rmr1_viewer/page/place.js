// What is shown, as the address says it: #RUN/EVALUATION/BENCHMARK/PAIR?kind=…&q=…
// A part may hold any character, so each is escaped.

export function read() {
  const [path, query] = location.hash.slice(1).split("?");
  let parts = [];
  try {
    parts = path.split("/").map(decodeURIComponent);
  } catch {
    parts = [];
  }
  const [run = "", evaluation = "", benchmark = "", pair = ""] = parts;
  return { run, evaluation, benchmark, pair, ...Object.fromEntries(new URLSearchParams(query)) };
}

export function address(place) {
  const { run, evaluation, benchmark, pair, ...filters } = place;
  const parts = [run, evaluation, benchmark, pair].filter(Boolean).map(encodeURIComponent);
  const kept = Object.entries(filters).filter(([, value]) => value);
  const query = kept.length ? `?${new URLSearchParams(kept)}` : "";
  return `#${parts.join("/")}${query}`;
}

export function go(changes, { replace = false } = {}) {
  const to = address({ ...read(), ...changes });
  if (to === location.hash) return;
  if (replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  dispatchEvent(new Event("hashchange"));
}
