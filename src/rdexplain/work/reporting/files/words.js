// The entries, titles and formats of figures, and a short way to make elements. Texts are never parsed as HTML.
"use strict";
window.rdx = (() => {
  const entries = window.REPORT.entries.map((entry, id) => {
    const gain = entry.empty_distortion - entry.objective; // NaN where one of them is missing
    return { ...entry, id, gain: Number.isFinite(gain) ? gain : undefined };
  });
  const titles = {
    probability: "Probability",
    kept_probability: "Probability of what is kept",
    distortion: "Distortion",
    non_sparsity: "Kept share",
    objective: "Objective",
    empty_distortion: "Objective of the empty mask",
    gain: "Better than the empty mask by",
    sparsity: "λk",
    collapsed: "Collapsed",
    agreement: "Agreement of repeats",
    seconds: "Seconds",
    network_evaluations: "Network evaluations",
    measurements: "Forward passes of the figures",
  };
  const shares = new Set(["probability", "kept_probability", "non_sparsity"]);
  const whole = new Set(["network_evaluations", "measurements"]);

  function written(name, value) {
    if (value === undefined) return "–";
    if (typeof value === "boolean") return value ? "yes" : "no";
    if (whole.has(name)) return value.toLocaleString("en");
    if (shares.has(name) && value >= 0 && value <= 1) return `${(100 * value).toFixed(value < 0.1 ? 2 : 1)} %`;
    return String(Number(value.toPrecision(4)));
  }

  function make(name, properties = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
      if (value === undefined) continue;
      if (key.includes("-") || key === "role" || key === "for") element.setAttribute(key, value);
      else element[key] = value;
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  const nameOf = (entry) => entry.photo ?? "photo without a name";
  const fileOf = (entry) => nameOf(entry).split(/[\\/]/).pop();

  return { entries, titles, written, make, nameOf, fileOf };
})();
