// All runs: what they measured, how sure that is, and how far they are.

import { $, count, make, percent } from "./dom.js";
import { address } from "./place.js";

export function draw({ runs, indexing }) {
  const written = JSON.stringify([runs, indexing]);
  if (draw.written === written) return;
  draw.written = written;
  const empty = make("p", { class: "nothing" }, "No runs yet. Start one with: rmr1 bench or rmr1 run");
  $("overview").replaceChildren(...(runs.length || indexing ? runs.map(card) : [empty]));
}

function card(run) {
  return make(
    "section",
    { class: "run", "aria-label": `Run ${run.id}` },
    make(
      "div",
      { class: "head" },
      make("h2", {}, run.id),
      run.state ? make("span", { class: `state ${run.state}` }, run.state) : null,
      make("span", { class: "facts" }, [run.backbone, run.how_far].filter(Boolean).join(" · ")),
    ),
    run.error ? make("p", { class: "error" }, run.error) : null,
    run.evaluations.length ? table(run) : make("p", { class: "facts" }, "no judgments yet"),
    run.curves?.length ? make("div", { class: "curves" }, ...run.curves.map(curve)) : null,
  );
}

function table(run) {
  const rows = run.evaluations.flatMap((evaluation) => evaluation.benchmarks.map((benchmark) => {
    const report = evaluation.reports.find((one) => one.benchmark === benchmark);
    const to = address({ run: run.id, evaluation: evaluation.name, subset: "", in: benchmark });
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, make("a", { href: to }, evaluation.name === "evaluation" ? benchmark : `${evaluation.name} · ${benchmark}`)),
      ...(report ? measured(report) : [make("td", { colspan: 4, class: "facts" }, "not complete")]),
    );
  }));
  const head = ["", "accuracy, %", "95 % interval", "pairs", "validity"];
  return make(
    "div",
    { class: "scroll" },
    make("table", {}, make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)))), make("tbody", {}, ...rows)),
  );
}

function measured({ headline, validity, partial }) {
  const bar = make("span", { class: "interval", role: "img", "aria-label": `${percent(headline.low)} to ${percent(headline.high)}` }, make("i"), make("b"));
  bar.firstChild.style.left = `${100 * headline.low}%`;
  bar.firstChild.style.width = `${100 * (headline.high - headline.low)}%`;
  bar.lastChild.style.left = `${100 * headline.value}%`;
  const both = validity.pairs_in_both_orders;
  const doubts = [
    both ? `${percent(validity.flipped / both)} % flipped` : "",
    validity.unparsed ? `${count(validity.unparsed)} unparsed` : "",
    validity.truncated ? `${count(validity.truncated)} truncated` : "",
    validity.ties ? `${count(validity.ties)} ties` : "",
    partial ? "partial" : "",
  ];
  return [
    make("td", { class: "number" }, make("b", {}, percent(headline.value))),
    make("td", { class: "range" }, bar, make("span", {}, `${percent(headline.low)}–${percent(headline.high)}`)),
    make("td", { class: "number" }, count(headline.n)),
    make("td", { class: "facts" }, doubts.filter(Boolean).join(" · ") || "nothing unusual"),
  ];
}

const SVG = "http://www.w3.org/2000/svg";
const short = (value) => Number(value.toPrecision(3)).toString();

// A small line of what a stage of training measured at its steps.
function curve({ stage, name, points }) {
  const xs = points.map(([step]) => step);
  const ys = points.map(([, value]) => value);
  const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const across = (step) => (200 * (step - left)) / (right - left || 1);
  const up = (value) => 46 - (42 * (value - low)) / (high - low || 1);
  const svg = document.createElementNS(SVG, "svg");
  const line = document.createElementNS(SVG, "polyline");
  const words = `${stage} · ${name.replaceAll("_", " ")}`;
  svg.setAttribute("viewBox", "0 0 200 50");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${words}: ${short(ys[0])} to ${short(ys.at(-1))}`);
  line.setAttribute("points", points.map(([step, value]) => `${across(step)},${up(value)}`).join(" "));
  svg.append(line);
  return make(
    "figure",
    {},
    make("figcaption", {}, words, make("b", {}, short(ys.at(-1)))),
    svg,
    make("div", { class: "facts" }, `steps ${left}–${right} · ${short(low)} to ${short(high)}`),
  );
}
