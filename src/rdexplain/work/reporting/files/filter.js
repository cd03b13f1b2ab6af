// Which explanations are shown, and in which order.
"use strict";
(() => {
  const { entries } = rdx;
  const plain = (text) => text.toLowerCase().replace(/[\s_-]+/g, " ").trim();
  const texts = entries.map((entry) => plain([entry.label, entry.true ?? "", entry.photo ?? ""].join("\n")));

  // A range is {low, high, open}: without its upper end where it is that of a bar.
  function within(value, range) {
    if (range.low === null && range.high === null) return true;
    if (value === undefined) return false;
    if (range.low !== null && value < range.low) return false;
    return range.high === null || (range.open ? value < range.high : value <= range.high);
  }

  // All that pass, but for the range of one figure where its histogram is drawn.
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

  // What an explanation does not have comes last, whatever the order.
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

  // Explanations of one photo together, in the order of the first of each.
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
