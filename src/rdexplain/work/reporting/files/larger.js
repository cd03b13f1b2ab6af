// The larger view: both pictures, every figure, links to the files, and the other explanations of the photo.
"use strict";
(() => {
  const { entries, titles, make, written, shown, opener, badges, title, nameOf } = rdx;
  const dialog = document.getElementById("larger");
  const heading = document.getElementById("larger-title");
  const body = document.getElementById("larger-body");
  let current = null, order = [], opened = null;

  function row(name, value) {
    return make("tr", {}, make("th", { scope: "row", textContent: name }), make("td", { textContent: value }));
  }

  function table(entry) {
    const target = Array.isArray(entry.target) ? entry.target.join(", ") : entry.target;
    const names = [
      ["Photo", nameOf(entry)],
      ["Explained class", target === undefined ? entry.label : `${entry.label} (${target})`],
      ["True class", entry.true],
      ["Explained class is", { true: "right", false: "wrong" }[entry.right]],
      ["Method", entry.method],
      ["Model", entry.model],
    ].filter(([, value]) => value !== undefined);
    const figures = Object.keys(titles).filter((name) => entry[name] !== undefined);
    return make("table", {}, make("tbody", {}, ...names.map(([name, value]) => row(name, value)),
      ...figures.map((name) => row(titles[name], written(name, entry[name])))));
  }

  function links(entry) {
    const words = { record: "Record (JSON)", explanation: "Explanation (safetensors)" };
    return make("p", { className: "links" }, ...Object.entries(entry.links).map(([name, href]) =>
      make("a", { href, textContent: words[name] ?? name, target: "_blank", rel: "noopener" })));
  }

  function others(entry) {
    const found = entries.filter((one) => one.group === entry.group && one.id !== entry.id);
    if (!found.length) return null;
    return make("section", {}, make("h3", { textContent: "Other explanations of this photo" }),
      make("div", { className: "row" }, ...found.map((one) =>
        opener(one, (next) => show(next, true), shown(one, "picture"), title(one), badges(one)))));
  }

  function show(entry, focus = false) {
    current = entry;
    heading.textContent = `${entry.label}, ${written("probability", entry.probability)}`;
    const image = make("figure", {}, shown(entry, "image", "large"), make("figcaption", { textContent: "Photo" }));
    const picture = make("figure", {}, shown(entry, "picture", "large"),
      make("figcaption", { textContent: `Explanation by ${entry.method}` }));
    body.replaceChildren(make("div", { className: "pair" }, image, picture), badges(entry), table(entry), links(entry));
    const more = others(entry);
    if (more) body.append(more);
    dialog.scrollTop = 0;
    const place = order.indexOf(entry);
    for (const button of dialog.querySelectorAll("[data-step]")) {
      button.disabled = place < 0 || !order[place + Number(button.dataset.step)];
    }
    if (focus) heading.focus();
  }

  function step(by) {
    const next = order[order.indexOf(current) + by];
    if (next && order.includes(current)) show(next);
  }

  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close]")) dialog.close();
    const button = event.target.closest("[data-step]");
    if (button) step(Number(button.dataset.step));
  });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
  // Focus the card of the explanation that was shown last, if it is on the page, else of the one that was opened.
  dialog.addEventListener("close", () => {
    const card = document.querySelector(`#cards [data-entry="${current.id}"]`) ?? opened;
    if (card.isConnected) card.focus();
  });

  rdx.open = (entry, from, all) => {
    [order, opened] = [all, from];
    show(entry);
    dialog.showModal();
    heading.focus();
  };
})();
