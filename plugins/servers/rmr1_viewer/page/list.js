// A list of any length: only the rows in view exist, and windows of rows are fetched as needed.

import { $, ask, count, make } from "./dom.js";

const ROW = 74; // pixels, as in style.css
const WINDOW = 100;
const SETTLED = 40; // milliseconds

export class List {
  constructor(choose) {
    this.box = $("list");
    this.spacer = $("spacer");
    this.choose = choose;
    this.asked = {};
    this.windows = new Map();
    this.total = 0;
    this.chosen = -1;
    this.round = 0;
    this.box.addEventListener("scroll", () => this.plan(), { passive: true });
    addEventListener("resize", () => this.plan());
    this.box.addEventListener("click", (event) => {
      const row = event.target.closest("[data-at]");
      if (row) this.move(Number(row.dataset.at));
    });
  }

  // Show what these filters leave; a list that only grew stays where it is scrolled to.
  async show(asked, { stay = false } = {}) {
    this.asked = asked;
    const round = ++this.round;
    if (!stay) {
      this.chosen = -1;
      this.box.scrollTop = 0;
    }
    const at = stay ? Math.floor(this.box.scrollTop / ROW / WINDOW) : 0;
    const got = await this.fetch(at);
    if (round !== this.round) return;
    this.windows = new Map([[at, got.rows]]);
    this.size(got.total);
    this.draw();
  }

  size(total) {
    this.total = total;
    this.spacer.style.height = `${total * ROW}px`;
    $("count").textContent = total === 1 ? "1 pair" : `${count(total)} pairs`;
    this.box.classList.toggle("empty", total === 0);
  }

  fetch(window) {
    return ask("list", { ...this.asked, offset: window * WINDOW, limit: WINDOW });
  }

  async need(window) {
    if (window < 0 || window * WINDOW >= this.total || this.windows.has(window)) return;
    const round = this.round;
    this.windows.set(window, []);
    try {
      const got = await this.fetch(window);
      if (round !== this.round) return;
      this.windows.set(window, got.rows);
    } catch {
      if (round === this.round) this.windows.delete(window);
      return;
    }
    this.plan();
  }

  plan() {
    if (this.planned) return;
    this.planned = true;
    requestAnimationFrame(() => {
      this.planned = false;
      this.draw();
    });
  }

  row(at) {
    return this.windows.get(Math.floor(at / WINDOW))?.[at % WINDOW];
  }

  draw() {
    const first = Math.max(0, Math.floor(this.box.scrollTop / ROW) - 6);
    const last = Math.min(this.total, first + Math.ceil(this.box.clientHeight / ROW) + 12);
    const windows = new Set();
    const rows = [];
    for (let at = first; at < last; at++) {
      windows.add(Math.floor(at / WINDOW));
      rows.push(this.element(at, this.row(at)));
    }
    this.spacer.replaceChildren(...rows);
    if (this.chosen >= 0) this.box.setAttribute("aria-activedescendant", `row-${this.chosen}`);
    else this.box.removeAttribute("aria-activedescendant");
    clearTimeout(this.waiting); // what is only scrolled past is not asked for
    this.waiting = setTimeout(() => windows.forEach((window) => void this.need(window)), SETTLED);
  }

  element(at, row) {
    const chosen = at === this.chosen;
    const element = make(
      "div",
      {
        class: `row${chosen ? " chosen" : ""}${row ? "" : " waiting"}`,
        id: `row-${at}`,
        role: "option",
        "data-at": at,
        "aria-selected": String(chosen),
        "aria-posinset": at + 1,
        "aria-setsize": this.total,
      },
      ...(row ? inside(row) : []),
    );
    element.style.transform = `translateY(${at * ROW}px)`;
    return element;
  }

  // Choose the row at a place in the list.
  move(at) {
    if (this.total === 0) return;
    at = Math.max(0, Math.min(this.total - 1, at));
    this.chosen = at;
    const top = at * ROW;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    const over = top + ROW - this.box.scrollTop - this.box.clientHeight;
    if (over > 0) this.box.scrollTop += over;
    this.draw();
    const row = this.row(at);
    if (row) this.choose(row);
  }

  // Mark the row of a pair, where it is among those that are here.
  mark(benchmark, pair) {
    this.chosen = -1;
    for (const [window, rows] of this.windows) {
      const at = rows.findIndex((row) => row.benchmark === benchmark && row.pair === pair);
      if (at >= 0) this.chosen = window * WINDOW + at;
    }
    this.draw();
  }
}

function inside(row) {
  const state = row.judged === 0 ? "open" : row.right === row.judged ? "right" : "wrong";
  const flags = ["flipped", "unparsed", "truncated", "tied", "failed"].filter((name) => row[name]);
  const share = row.judged ? `${row.right}/${row.judged}` : "–";
  const change = "other_right" in row ? changed(row) : null;
  return [
    make("span", { class: `dot ${state}`, title: `${share} judgments right` }, share),
    make(
      "span",
      { class: "what" },
      make("span", { class: "excerpt", dir: "auto" }, row.excerpt || "(no text)"),
      make("span", { class: "facts" }, make("bdi", {}, row.subset), " · ", make("bdi", {}, row.pair)),
    ),
    make("span", { class: "flags" }, change, ...flags.map((f) => make("span", { class: `flag ${f}` }, f))),
  ];
}

function changed(row) {
  if (!row.judged || !row.other_judged) return null;
  const difference = row.right * row.other_judged - row.other_right * row.judged;
  if (difference === 0) return null;
  return difference > 0
    ? make("span", { class: "flag gained" }, "▲ gained")
    : make("span", { class: "flag lost" }, "▼ lost");
}
