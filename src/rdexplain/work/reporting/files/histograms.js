// Histograms of figures, and the chosen range. A click on a bar chooses its range, a second click removes it.
"use strict";
(() => {
  const { entries, titles, make, passing, written } = rdx;
  const BARS = 20, WIDTH = 200, HEIGHT = 60;
  const SVG = "http://www.w3.org/2000/svg";

  function drawn(name, properties) {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(properties)) element.setAttribute(key, value);
    return element;
  }

  class Histogram {
    constructor(name, values, changed) {
      Object.assign(this, { name, changed, chosen: null, current: 0 });
      this.low = Math.min(...extremes(values));
      this.high = Math.max(...extremes(values));
      this.total = this.count(values);
      const input = (end, text) =>
        make("input", { type: "number", step: "any", name: `${name}.${end}`, "aria-label": `${titles[name]}, ${text}` });
      [this.from, this.to] = [input("low", "at least"), input("high", "at most")];
      for (const one of [this.from, this.to]) one.addEventListener("input", () => { this.chosen = null; });
      this.svg = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "group" });
      this.svg.setAttribute("aria-label", `${titles[name]}: histogram, choose a bar with the arrow keys`);
      this.bars = this.total.map((_, place) => this.bar(place));
      this.svg.append(...this.bars.map((bar) => bar.group));
      this.element = make("fieldset", {}, make("legend", { textContent: titles[name] }), this.svg,
        make("div", { className: "ends" }, make("span", { textContent: written(name, this.low) }),
          make("span", { textContent: written(name, this.high) })),
        make("div", { className: "range" }, this.from, make("span", { textContent: "to" }), this.to));
    }

    edge(place) {
      return place === BARS ? this.high : this.low + ((this.high - this.low) * place) / BARS;
    }

    // A value's bar is found by comparing it with the edges that a click on a bar uses, so that rounding cannot differ.
    place(value) {
      let place = Math.min(Math.floor(((value - this.low) / (this.high - this.low || 1)) * BARS), BARS - 1);
      while (place > 0 && value < this.edge(place)) place -= 1;
      while (place < BARS - 1 && value >= this.edge(place + 1)) place += 1;
      return this.high === this.low ? 0 : place;
    }

    count(values) {
      const counts = Array(this.high === this.low ? 1 : BARS).fill(0);
      for (const value of values) counts[this.place(value)] += 1;
      return counts;
    }

    bar(place) {
      const width = WIDTH / this.total.length;
      const shape = (style, height) =>
        drawn("rect", { class: style, x: place * width + 0.5, width: width - 1, y: HEIGHT - height, height });
      const group = drawn("g", { role: "button", tabindex: place ? -1 : 0, "aria-pressed": "false" });
      const most = Math.max(...this.total);
      const shown = shape("shown", 0);
      group.append(shape("area", HEIGHT), shape("all", this.size(this.total[place], most)), shown, drawn("title", {}));
      group.addEventListener("click", () => { this.move(place); this.choose(place); });
      group.addEventListener("keydown", (event) => this.pressed(event, place));
      return { group, shown, most };
    }

    size(count, most) {
      return count ? Math.max((count / most) * HEIGHT, 2) : 0;
    }

    pressed(event, place) {
      if (event.key === "Enter" || event.key === " ") this.choose(place);
      else if (event.key === "ArrowRight") this.move(Math.min(place + 1, this.bars.length - 1), true);
      else if (event.key === "ArrowLeft") this.move(Math.max(place - 1, 0), true);
      else return;
      event.preventDefault();
    }

    move(place, focus = false) {
      this.bars[this.current].group.setAttribute("tabindex", -1);
      this.current = place;
      this.bars[place].group.setAttribute("tabindex", 0);
      if (focus) this.bars[place].group.focus();
    }

    choose(place) {
      this.chosen = this.chosen === place ? null : place;
      const chosen = this.chosen !== null;
      this.from.value = chosen ? Number(this.edge(place).toPrecision(4)) : "";
      this.to.value = chosen ? Number((this.total.length === 1 ? this.high : this.edge(place + 1)).toPrecision(4)) : "";
      this.changed();
    }

    // The exact range of the bar, or the numbers written in the fields.
    get range() {
      const last = this.total.length - 1;
      if (this.chosen !== null) {
        const high = last === 0 ? this.high : this.edge(this.chosen + 1);
        return { low: this.edge(this.chosen), high, open: this.chosen < last };
      }
      const number = (input) => (input.value.trim() === "" || Number.isNaN(input.valueAsNumber) ? null : input.valueAsNumber);
      return { low: number(this.from), high: number(this.to), open: false };
    }

    clear() {
      this.chosen = null;
      this.from.value = this.to.value = "";
    }

    update(state) {
      const counts = this.count(passing(state, this.name).map((entry) => entry[this.name]).filter(isThere));
      const { low, high, open } = this.range;
      this.bars.forEach(({ group, shown, most }, place) => {
        const height = this.size(counts[place], most);
        shown.setAttribute("height", height);
        shown.setAttribute("y", HEIGHT - height);
        const [from, to] = [this.edge(place), this.total.length === 1 ? this.high : this.edge(place + 1)];
        const outside = (low !== null && to <= low) || (high !== null && (open ? from >= high : from > high));
        group.classList.toggle("outside", outside);
        group.setAttribute("aria-pressed", String(this.chosen === place));
        const text = `${written(this.name, from)} to ${written(this.name, to)}: ${counts[place]}`;
        group.setAttribute("aria-label", text);
        group.querySelector("title").textContent = text;
      });
    }
  }

  const isThere = (value) => value !== undefined;

  // Not Math.min(...values): a call cannot have so many arguments.
  function extremes(values) {
    return values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
  }

  rdx.histograms = (changed) =>
    ["probability", "distortion", "non_sparsity"]
      .map((name) => [name, entries.map((entry) => entry[name]).filter(isThere)])
      .filter(([, values]) => values.length)
      .map(([name, values]) => new Histogram(name, values, changed));
})();
