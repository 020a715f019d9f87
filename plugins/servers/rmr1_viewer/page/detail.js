// One pair: the conversation, both answers as the judge saw them, and what it wrote in each order.

import { count, make } from "./dom.js";

const SHOWN = 6000; // characters of a text before "show all"
const TITLES = {
  "": "Text", think: "Reasoning", type: "Kind of task", rubric: "Rubric", justify: "Why this rubric",
  solution: "Own solution", eval: "Evaluation", answer: "Verdict",
};
const QUOTED = /<(quote|summary)_([AB])>([\s\S]*?)<\/\1_\2>/g;

export class Detail {
  constructor(box) {
    this.box = box;
    this.chosenFirst = true;
    this.samples = {};
  }

  // `sides` are [{title, data}]: this evaluation and perhaps the one that it is compared with.
  show(sides, close) {
    const written = JSON.stringify(sides);
    if (written === this.written) return; // nothing new: what the reader opened stays open
    if (this.id !== sides[0].data.pair.id) {
      this.samples = {};
      this.box.scrollTop = 0;
    }
    this.id = sides[0].data.pair.id;
    this.written = written;
    Object.assign(this, { sides, close });
    this.draw();
  }

  clear(...children) {
    this.written = this.sides = this.id = undefined;
    this.box.replaceChildren(...children);
  }

  swap() {
    if (!this.sides) return;
    this.chosenFirst = !this.chosenFirst;
    this.draw();
  }

  draw() {
    const { pair, judgments } = this.sides[0].data;
    this.box.replaceChildren(
      this.head(pair),
      make("section", { class: "prompt", "aria-label": "Conversation" }, ...pair.prompt.map(message)),
      this.answers(pair, judgments),
      ...this.sides.map((side, at) => this.judged(side, at)),
    );
  }

  head(pair) {
    return make(
      "div",
      { class: "head" },
      make("button", { type: "button", class: "back", onclick: this.close, "aria-label": "Back to the list" }, "‹ List"),
      make("h2", {}, make("bdi", {}, pair.id)),
      make("span", { class: "facts" }, make("bdi", {}, pair.subset)),
      make("button", { type: "button", class: "swap", onclick: () => this.swap(), title: "o" }, "Swap order"),
    );
  }

  picked(judgments, first, at) {
    const those = judgments.filter((judgment) => judgment.chosen_first === first);
    return [those, Math.min(this.samples[`${at}-${first}`] ?? 0, Math.max(0, those.length - 1))];
  }

  answers(pair, judgments) {
    const [those, sample] = this.picked(judgments, this.chosenFirst, 0);
    const evidence = those[sample]?.evidence ?? [];
    const names = this.chosenFirst ? ["chosen", "rejected"] : ["rejected", "chosen"];
    return make("section", { class: "answers", "aria-label": "Answers" }, ...names.map((name, at) => {
      const letter = "AB"[at];
      const spans = evidence.filter((e) => e.of === letter && e.span).map((e) => e.span);
      return make(
        "div",
        { class: `answer ${name}` },
        make("h3", {}, make("span", { class: "letter" }, letter), ` ${name}`),
        long(pair[name], (text) => marked(text, spans)),
      );
    }));
  }

  // Of an order that nobody knows, all judgments are stored as if the chosen answer was A.
  judged({ title, data, ordered }, at) {
    const orders = !ordered ? [true] : this.chosenFirst ? [true, false] : [false, true];
    return make(
      "section",
      { class: "judged", "aria-label": "What the judge wrote" },
      make("h3", {}, title),
      make("div", { class: "orders" }, ...orders.map((first) => this.order(data, first, at, ordered))),
    );
  }

  order({ judgments }, first, at, ordered) {
    const [those, sample] = this.picked(judgments, first, at);
    const label = !ordered ? "order not known" : first ? "chosen shown as A" : "chosen shown as B";
    if (!those.length) return make("div", { class: "order none" }, `${label}: not judged`);
    const tabs = those.length > 1 ? make("div", { class: "tabs", role: "group", "aria-label": "Samples" }, ...those.map((one, number) => make(
      "button",
      {
        type: "button", "aria-pressed": String(number === sample), class: standing(one),
        onclick: () => { this.samples[`${at}-${first}`] = number; this.draw(); },
      },
      `${one.sample + 1}`,
    ))) : null;
    return make("div", { class: "order" }, make("div", { class: "facts" }, label), tabs, ...judgment(those[sample], ordered));
  }
}

const standing = (one) => {
  if (one.error) return "failed";
  if (one.verdict !== "A" && one.verdict !== "B") return one.verdict;
  return (one.verdict === "A") === one.chosen_first ? "right" : "wrong";
};

function judgment(one, ordered) {
  if (one.error) return [make("p", { class: "verdict failed" }, "failed"), long(one.error)];
  const state = standing(one);
  const says = ordered && (state === "right" || state === "wrong") ? `${one.verdict} · ${state}` : state;
  const cut = one.finish === "stop" ? "" : one.finish === "length" ? " · truncated" : ` · ${one.finish.replaceAll("_", " ")}`;
  const scores = one.scores ? ` · scores ${one.scores.map((score) => score.toPrecision(4)).join(" and ")}` : "";
  return [
    make("p", { class: `verdict ${state}` }, make("b", {}, says), make("span", {}, `${one.tokens ? `${count(one.tokens)} tokens` : ""}${cut}${scores}`)),
    ...one.sections.map((part) => make(
      "div",
      { class: `part ${part.name || "text"}` },
      make("h4", {}, TITLES[part.name] ?? part.name),
      long(part.text.trim(), (text) => quotations(text, one.evidence)),
    )),
  ];
}

const message = ({ role, content }) => make("div", { class: `message ${role}` }, make("h3", {}, role), long(content));

// A text that is cut where it is long, until the reader wants all of it.
function long(text, fill = (shown) => [shown]) {
  const box = make("div", { class: "text", dir: "auto" });
  if (text.length <= SHOWN) {
    box.append(...fill(text));
    return box;
  }
  box.append(...fill(text.slice(0, SHOWN)), "…");
  const all = () => { box.replaceChildren(...fill(text)); button.remove(); };
  const button = make("button", { type: "button", class: "all", onclick: all }, `Show all ${count(text.length)} characters`);
  return make("div", {}, box, button);
}

// The text with quoted spans marked; spans may overlap.
function marked(text, spans) {
  const pieces = [];
  let place = 0;
  for (const [start, end] of spans.toSorted((a, b) => a[0] - b[0])) {
    const from = Math.max(start, place);
    const to = Math.min(end, text.length);
    if (from >= to) continue;
    pieces.push(text.slice(place, from), make("mark", {}, text.slice(from, to)));
    place = to;
  }
  return [...pieces, text.slice(place)];
}

// What the judge wrote, with its quotations apart and those flagged that no answer has.
function quotations(text, evidence) {
  const pieces = [];
  let place = 0;
  for (const found of text.matchAll(QUOTED)) {
    const [whole, kind, of, words] = found;
    pieces.push(text.slice(place, found.index));
    place = found.index + whole.length;
    const known = kind === "quote" ? evidence.find((e) => e.of === of && e.text === words) : undefined;
    const missing = known?.looked && !known.span;
    pieces.push(make(
      "q",
      { class: `${kind}${missing ? " missing" : ""}`, title: missing ? `not in answer ${of}` : `${kind} of answer ${of}` },
      make("span", { class: "letter" }, of), words, missing ? make("em", {}, `not in ${of}`) : null,
    ));
  }
  return [...pieces, text.slice(place)];
}
