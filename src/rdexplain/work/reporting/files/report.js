// The page: fields and histograms set the state, from which the cards of one page are drawn; others are not in the DOM.
"use strict";
(() => {
  const { entries, titles, make, passing, sorted, grouped, card, group } = rdx;
  const form = document.getElementById("filters");
  const fields = form.elements;
  const histograms = rdx.histograms(changed);
  let page = 0;

  function fill() {
    for (const method of [...new Set(entries.map((entry) => entry.method))].sort()) {
      fields.method.append(make("option", { value: method, textContent: method }));
    }
    const sorts = { "": "as they were made", label: "Class", photo: "Photo", method: "Method" };
    for (const [name, text] of Object.entries({ ...sorts, ...titles })) {
      const there = !name || entries.some((entry) => entry[name] !== undefined);
      if (there && name !== "collapsed") fields.sort.append(make("option", { value: name, textContent: text }));
    }
    for (const label of form.querySelectorAll("[data-needs]")) {
      label.hidden = !entries.some((entry) => entry[label.dataset.needs] !== undefined);
    }
    const several = new Set(entries.map((entry) => entry.group)).size < entries.length;
    fields.together.closest("label").hidden = !several;
    document.getElementById("figures").open = matchMedia("(min-width: 640px)").matches;
    document.getElementById("histograms").append(...histograms.map((one) => one.element));
  }

  function state() {
    const ranges = Object.fromEntries(histograms.map((one) => [one.name, one.range]));
    const { text, method, right, collapsed } = fields;
    return { text: text.value, method: method.value, right: right.value, collapsed: collapsed.value, ranges };
  }

  function changed() {
    page = 0;
    update();
  }

  function update() {
    const now = state();
    const found = sorted(passing(now), fields.sort.value, fields.order.value);
    const together = fields.together.checked;
    const units = together ? grouped(found) : found;
    const size = Number(fields.size.value);
    const pages = Math.max(Math.ceil(units.length / size), 1);
    page = Math.min(page, pages - 1);
    const order = together ? units.flat() : found;
    const open = (entry, from) => rdx.open(entry, from, order);
    const shown = units.slice(page * size, (page + 1) * size).map((unit) => (together ? group : card)(unit, open));
    const cards = document.getElementById("cards");
    cards.classList.toggle("together", together);
    cards.replaceChildren(...shown);
    const photos = together ? `, ${units.length} ${units.length === 1 ? "photo" : "photos"}` : "";
    document.getElementById("count").textContent = `${found.length} of ${entries.length} explanations${photos}`;
    for (const one of histograms) one.update(now);
    for (const nav of document.querySelectorAll("nav.pages")) turn(nav, pages);
  }

  function turn(nav, pages) {
    const to = (text, label, place) => {
      const button = make("button", { type: "button", textContent: text, "aria-label": label });
      button.disabled = place < 0 || place >= pages || place === page;
      button.addEventListener("click", () => {
        page = place;
        update();
        (nav.querySelector(`[aria-label="${label}"]:enabled`) ?? nav.querySelector("button:enabled")).focus();
        document.querySelector("main").scrollIntoView();
      });
      return button;
    };
    nav.hidden = pages < 2;
    nav.replaceChildren(to("«", "First page", 0), to("‹", "Previous page", page - 1),
      make("span", { textContent: `page ${page + 1} of ${pages}` }),
      to("›", "Next page", page + 1), to("»", "Last page", pages - 1));
  }

  fill();
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", changed);
  form.addEventListener("reset", () => setTimeout(() => {
    for (const one of histograms) one.clear();
    changed();
  }));
  update();
})();
