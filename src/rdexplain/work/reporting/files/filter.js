// Chooses and sorts the explanations that are shown.
"use strict";
(() => {
  const { entries } = rdx;
  const plain = (text) => text.toLowerCase().replace(/[\s_-]+/g, " ").trim();
  const texts = entries.map((entry) => plain([entry.label, entry.true ?? "", entry.photo ?? ""].join("\n")));

  // A range is {low, high, open}; `open`, for the range of a bar, means that `high` is not part of it.
  function within(value, range) {
    if (range.low === null && range.high === null) return true;
    if (value === undefined) return false;
    if (range.low !== null && value < range.low) return false;
    return range.high === null || (range.open ? value < range.high : value <= range.high);
  }

  // The entries that pass all filters; for the histogram of a figure all but that figure's own range.
  function passing(state, but) {
    const text = plain(state.text);
    return entries.filter(
      (entry) =>
        (!text || texts[entry.id].includes(text)) &&
        (!state.method || entry.method === state.method) &&
        (!state.right || String(entry.right) === state.right) &&
        (!state.collapsed || String(entry.collapsed) === state.collapsed) &&
        Object.entries(state.ranges).every(([name, range]) => name === but || within(entry[name], range)),
    );
  }

  // Explanations without the figure come last, in either order.
  function sorted(found, name, order) {
    const sign = order === "down" ? -1 : 1;
    if (!name) return order === "down" ? [...found].reverse() : found;
    return [...found].sort((one, other) => {
      const [a, b] = [one[name], other[name]];
      if (a === undefined || b === undefined) return (a === undefined) - (b === undefined) || one.id - other.id;
      const difference = typeof a === "string" ? a.localeCompare(b) : a - b;
      return sign * difference || one.id - other.id;
    });
  }

  // Groups explanations by photo; a photo's place is that of its first explanation.
  function grouped(found) {
    const groups = new Map();
    for (const entry of found) {
      if (!groups.has(entry.group)) groups.set(entry.group, []);
      groups.get(entry.group).push(entry);
    }
    return [...groups.values()];
  }

  Object.assign(rdx, { passing, sorted, grouped });
})();
