// The page: what the address says is shown, keys and filters change the address, and what is new
// in the runs comes by itself.

import { Detail } from "./detail.js";
import { $, ask, make } from "./dom.js";
import { List } from "./list.js";
import * as overview from "./overview.js";
import { go, read } from "./place.js";

const BETWEEN_LOOKS = 2000; // milliseconds
const KINDS = {
  "": "All pairs", wrong: "Wrong", right: "Right", flipped: "Flipped with the order",
  unparsed: "Unparsed", truncated: "Truncated", tied: "Tied", failed: "Failed", open: "Not judged yet",
};
const COMPARED = { gained: "Gained against the other", lost: "Lost against the other" };

const list = new List((row) => go({ benchmark: row.benchmark, pair: row.pair }, { replace: Boolean(read().pair) }));
const detail = new Detail($("detail"));
let known = { runs: [], version: -1, indexing: true };
let listed = "";
let offered = "";

const back = () => go({ benchmark: "", pair: "" });

function filters(place) {
  const [against_run = "", against = ""] = (place.against ?? "").split("\n");
  const { run, evaluation } = place;
  const asked = { run, evaluation, benchmark: place.in, subset: place.subset, kind: place.kind, q: place.q, against_run, against };
  return Object.fromEntries(Object.entries(asked).filter(([, value]) => value));
}

async function show({ fresh = false } = {}) {
  const place = read();
  const reading = Boolean(place.run);
  $("overview").hidden = reading;
  $("reader").hidden = !reading;
  $("reader").classList.toggle("open", Boolean(place.pair));
  $("where").textContent = reading ? `${place.run} · ${place.evaluation}` : "";
  document.title = reading ? `${place.pair || place.evaluation} · rmr1 view` : "rmr1 view";
  if (!reading) return void (listed = "");
  if (document.activeElement !== $("q")) $("q").value = place.q ?? "";
  await options(place);
  const asked = filters(place);
  const written = JSON.stringify(asked);
  if (written !== listed || fresh) {
    const stay = written === listed;
    listed = written;
    await list.show(asked, { stay });
  }
  list.mark(place.benchmark, place.pair);
  await pair(place, asked);
}

async function pair(place, { against_run, against }) {
  if (!place.pair) return detail.clear(make("p", { class: "nothing" }, "Choose a pair: j, k or a click."));
  const { benchmark } = place;
  const wanted = [[place.run, place.evaluation], ...(against ? [[against_run, against]] : [])];
  const got = await Promise.all(wanted.map(([run, evaluation]) => (
    ask("pair", { run, evaluation, benchmark, pair: place.pair }).catch(() => null)
  )));
  if (read().pair !== place.pair) return undefined;
  if (!got[0]) return detail.clear(make("p", { class: "nothing" }, known.indexing ? "Reading the run…" : "There is no such pair in this evaluation."));
  const ordered = (id) => known.runs.find((run) => run.id === id)?.order_known !== false;
  const sides = wanted.map(([run, evaluation], at) => ({ title: `${run} · ${evaluation}`, data: got[at], ordered: ordered(run) }));
  return detail.show(sides.filter((side) => side.data), back);
}

async function options(place) {
  choices($("kind"), Object.entries({ ...KINDS, ...(place.against ? COMPARED : {}) }), place.kind);
  const all = known.runs.flatMap((run) => run.evaluations.map((one) => [`${run.id}\n${one.name}`, `Compare with ${run.id} · ${one.name}`]));
  const own = `${place.run}\n${place.evaluation}`;
  choices($("against"), [["", "Compare with…"], ...all.filter(([value]) => value !== own)], place.against);
  const key = JSON.stringify([own, known.version]);
  if (key !== offered) {
    const found = await ask("subsets", { run: place.run, evaluation: place.evaluation });
    offered = key;
    const benchmarks = [...new Set(found.map((one) => one.benchmark))].map((name) => [`${name}\n`, name]);
    const parts = found.map((one) => [`${one.benchmark}\n${one.subset}`, `${one.benchmark} · ${one.subset} (${one.pairs})`]);
    choices($("subset"), [["", "All subsets"], ...benchmarks, ...parts], undefined);
  }
  $("subset").value = place.in ? `${place.in}\n${place.subset ?? ""}` : "";
}

function choices(select, entries, chosen) {
  const written = JSON.stringify(entries);
  if (select.dataset.written !== written) {
    select.dataset.written = written;
    select.replaceChildren(...entries.map(([value, text]) => make("option", { value }, text)));
  }
  if (chosen !== undefined || select.id !== "subset") select.value = chosen ?? "";
}

async function look() {
  try {
    const now = await ask("runs");
    const changed = now.version !== known.version || now.indexing !== known.indexing;
    known = now;
    const going = now.runs.filter((run) => run.state === "running").length;
    $("live").textContent = now.indexing ? "reading…" : going ? `● ${going} running` : "";
    overview.draw(now);
    if (changed) await show({ fresh: true });
  } catch {
    $("live").textContent = "rmr1 view has ended";
  }
  setTimeout(look, BETWEEN_LOOKS);
}

function typed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  const field = event.target.closest("input, select");
  if (event.key === "Escape") {
    if (field) $("list").focus();
    else if (read().pair) back();
    else if (read().run) location.hash = "";
    return;
  }
  if (field) return;
  const next = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
  const inDetail = event.key.startsWith("Arrow") && document.activeElement === $("detail");
  if (next && !inDetail && !$("reader").hidden) list.move(list.chosen + next);
  else if (event.key === "/" && !$("reader").hidden) $("q").focus();
  else if (event.key === "o") detail.swap();
  else if (event.key === "?") $("help").showModal();
  else return;
  event.preventDefault();
}

let waiting;
$("q").addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(() => go({ q: $("q").value.trim(), benchmark: "", pair: "" }, { replace: true }), 200);
});
$("kind").addEventListener("change", () => go({ kind: $("kind").value, benchmark: "", pair: "" }));
$("subset").addEventListener("change", () => {
  const [within = "", subset = ""] = $("subset").value.split("\n");
  go({ in: within, subset, benchmark: "", pair: "" });
});
$("against").addEventListener("change", () => {
  const against = $("against").value;
  go({ against, kind: !against && read().kind in COMPARED ? "" : read().kind });
});
$("filters").addEventListener("submit", (event) => { event.preventDefault(); $("list").focus(); });
$("help-button").addEventListener("click", () => $("help").showModal());
addEventListener("keydown", typed);
addEventListener("hashchange", () => void show().catch(() => { $("live").textContent = "rmr1 view has ended"; }));
addEventListener("popstate", () => dispatchEvent(new Event("hashchange")));
void look();
