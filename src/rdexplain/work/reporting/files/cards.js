// Cards of the gallery: one for each explanation, or one for each photo with its explanations side by side.
"use strict";
(() => {
  const { make, written, nameOf, fileOf } = rdx;
  const alt = {
    image: (entry) => `Photo ${fileOf(entry)}`,
    picture: (entry) => `Explanation of ${entry.label} by ${entry.method}`,
  };

  // A picture of an entry, or a placeholder where there is none.
  function shown(entry, kind, size = "small") {
    const found = entry[kind];
    if (!found) return make("span", { className: "gone", textContent: kind === "image" ? "photo is gone" : "not drawn" });
    const large = size === "large";
    return make("img", {
      loading: "lazy", decoding: "async", alt: alt[kind](entry), src: found[size],
      width: large ? undefined : found.width, height: large ? undefined : found.height,
    });
  }

  function badges(entry) {
    const badge = (style, textContent) => make("span", { className: `badge ${style}`, textContent });
    return make("span", { className: "badges" }, badge("", entry.method),
      entry.right === undefined ? null
        : badge(entry.right ? "right" : "wrong", entry.right ? "right" : `wrong: it is ${entry.true}`),
      entry.collapsed ? badge("wrong", "collapsed") : null,
      entry.gain < 0 ? badge("", "worse than empty") : null);
  }

  function figures(entry) {
    const words = { distortion: (text) => `distortion ${text}`, non_sparsity: (text) => `kept ${text}` };
    words.seconds = (text) => `${text} s`;
    const found = Object.keys(words).filter((name) => name in entry);
    return make("span", { className: "figures",
      textContent: found.map((name) => words[name](written(name, entry[name]))).join(" · ") });
  }

  function opener(entry, open, ...children) {
    const button = make("button", { type: "button", className: "open", "data-entry": String(entry.id) }, ...children);
    button.addEventListener("click", () => open(entry, button));
    return button;
  }

  const title = (entry) => make("span", { className: "title" }, make("b", { textContent: entry.label }),
    make("span", { textContent: written("probability", entry.probability) }));

  function card(entry, open) {
    return make("li", { className: "card" }, opener(entry, open,
      make("span", { className: "pair" }, shown(entry, "image"), shown(entry, "picture")),
      title(entry), badges(entry), figures(entry),
      make("span", { className: "name", textContent: fileOf(entry), title: nameOf(entry) })));
  }

  function group(entries, open) {
    const [first] = entries;
    const truth = first.true === undefined ? "" : ` — ${first.true}`;
    return make("li", { className: "card group" },
      make("h2", { className: "name", textContent: fileOf(first) + truth, title: nameOf(first) }),
      make("div", { className: "row" }, make("div", { className: "photo" }, shown(first, "image")),
        ...entries.map((entry) => opener(entry, open, shown(entry, "picture"), title(entry), badges(entry), figures(entry)))));
  }

  Object.assign(rdx, { shown, opener, badges, title, card, group });
})();
