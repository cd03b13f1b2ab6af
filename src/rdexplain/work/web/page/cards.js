"use strict";
// The cards of finished explanations.

function showCard(event, mine, given) {
  const card = $("card").content.firstElementChild.cloneNode(true);
  fillCard(card, event, mine);
  if (event.kept !== undefined) {
    showPath(card, event, mine, given);
    card.querySelector(".again").append(
      make("button", { type: "button", textContent: "Other noise", onclick: () => explainAgain(mine, { ...given, seed: given.seed + 1 }) }));
  }
  $("results").hidden = false;
  $("cards").prepend(card);
  card.tabIndex = -1;
  card.focus({ preventScroll: true });
  $("results-title").scrollIntoView({ block: "start", behavior: "smooth" });
}

// Fills a card with an explanation; called again when another one replaces it.
function fillCard(card, event, mine) {
  const part = (name) => card.querySelector(name);
  const file = (name, download) => `api/${tab}/result/${event.job}/${name}${download ? "?download" : ""}`;
  part("h3").textContent = `Why ${event.label}?`;
  part(".said").textContent = `${mine.name}, ${event.method}, ${event.seconds.toFixed(1)} s${event.stopped ? `, stopped at step ${event.stopped}` : ""}`;
  part(".remark").textContent = event.remark ?? "";
  part(".remark").hidden = !event.remark;
  const over = part(".over"), reveal = part(".reveal input");
  part(".under").src = mine.picture;
  reveal.oninput = () => { over.style.clipPath = `inset(0 ${100 - reveal.value}% 0 0)`; };
  showLooks(part(".looks"), event.files, (name) => { over.src = file(name); });
  const figures = [[percent(event.probability), event.contrast ? "the first's share of both, in the photo" : "what the network says to the photo", null]];
  if (event.kept !== undefined) figures.push(
    [percent(event.alone), event.contrast ? "its share with the kept part alone" : "what it says to the kept part alone", "Noise stands in place of everything else; a mean over 256 draws."],
    [percent(event.kept), `of the ${event.pixels ? "pixels" : "coefficients"} are kept`, "The mean of the mask: the smaller, the more is said by it."],
    [event.distortion < 5e-5 ? "< 0.0001" : event.distortion.toFixed(4), "distortion", "How far the decision moves, squared, with the kept part alone: 0 is the same decision."],
    [String(event.evaluations), "images sent through the network", null]);
  part(".figures").replaceChildren(...figures.flatMap(([number, text, help]) =>
    [make("dt", { textContent: number }), make("dd", { textContent: text }, ...(help ? [make("small", { textContent: help })] : []))]));
  if (event.scales && event.scales.length) showScales(part(".scales"), event, over, file);
  const samples = event.files.filter((name) => name.startsWith("sample-"));
  part(".saw").hidden = !samples.length;
  part(".saw .row").replaceChildren(...samples.map((name, place) => make("img", { src: file(name), loading: "lazy", alt: `Draw ${place + 1}: the kept part, with noise in place of the rest` })));
  const names = { "explanation.png": "picture with figures (PNG)", "grey.png": "explanation alone (PNG)", "explanation.safetensors": "mask (safetensors)", "explanation.json": "record (JSON)" };
  part(".downloads").replaceChildren(...Object.entries(names).map(([name, text]) => make("a", { href: file(name, true), textContent: text })));
  part(".lines-said").textContent = event.went_on || event.stopped
    ? "On the command line and in Python, solved from the start to the end, so not to the last bit the same:"
    : "The same on the command line, and in Python:";
  part(".command").textContent = event.command;
  part(".python").textContent = event.python;
}

// Grey or colour; the choice is kept when another explanation replaces the current one.
function showLooks(box, files, show) {
  const looks = [["grey", "grey.png"], ["colour", "colour.png"]].filter(([, name]) => files.includes(name));
  const chosen = box.querySelector("[aria-pressed=true]")?.textContent ?? "grey";
  const buttons = looks.map(([name, source]) => make("button", { type: "button", textContent: name, ariaPressed: String(name === chosen), onclick: () => {
    show(source);
    buttons.forEach((one) => { one.ariaPressed = String(one.textContent === name); });
  } }));
  box.replaceChildren(...(buttons.length > 1 ? buttons : []));
  show((looks.find(([name]) => name === chosen) ?? looks[0])[1]);
}

// The λ slider: each λ is solved from the mask of the nearest one so far, and its result is remembered.
function showPath(card, first, mine, given) {
  const box = card.querySelector(".path"), slider = box.querySelector("input"), said = box.querySelector(".path-said");
  const points = new Map([[0, first]]);
  const name = (stop) => stop ? `λ ${stop > 0 ? "÷" : "×"} ${2 ** Math.abs(stop)}` : "λ as it was";
  const cost = (stop) => `${name(stop)}: ${points.get(stop).evaluations} images went through the network${stop ? `, on from the nearest mask; ${[...points.values()].reduce((sum, one) => sum + one.evaluations, 0)} along the whole path so far` : ""}.`;
  let busy = false, last = 0;
  const nearest = (stop) => [...points.keys()].sort((one, other) => Math.abs(one - stop) - Math.abs(other - stop) || other - one)[0];
  const show = (stop) => { last = stop; fillCard(card, points.get(stop), mine); said.textContent = cost(stop); };
  const back = (text) => { busy = false; slider.value = last; show(last); if (text) complain(text); };
  const move = async () => {
    const stop = Number(slider.value);
    if (points.has(stop)) { show(stop); return; }
    if (busy) return; // called again when the running one is done
    busy = true;
    said.textContent = `${name(stop)}: waiting …`;
    const found = await send("explain", { ...given, keep: given.keep * 2 ** stop, start: points.get(nearest(stop)).job });
    if (!found) { back(); return; }
    expect(found.job, (event) => {
      if (event.kind === "preview" && Number(slider.value) === stop) {
        card.querySelector(".over").src = event.picture;
        said.textContent = `${name(stop)}: ${event.step === event.steps ? "the mask is measured." : `${event.attempt > 1 ? "second try, " : ""}step ${event.step} of ${event.steps}, about ${seconds(event.left)} left.`}`;
      }
      if (event.kind === "failed" || event.kind === "dropped") back(event.error);
      if (event.kind !== "done") return;
      busy = false;
      points.set(stop, event);
      move();
    });
  };
  slider.oninput = () => slider.setAttribute("aria-valuetext", name(Number(slider.value)));
  slider.onchange = move;
  slider.oninput();
  said.textContent = cost(0);
  box.hidden = false;
}

function showScales(box, event, over, file) {
  box.hidden = false;
  const said = box.querySelector(".scales-said");
  said.textContent = "";
  const checks = event.scales.map((scale, place) => make("input", { type: "checkbox", checked: true, value: place }));
  box.querySelector(".row").replaceChildren(...event.scales.map((scale, place) => make("label", {}, checks[place], ` ${scale.name} `, make("span", { className: "quiet", textContent: percent(scale.kept) }))));
  const change = async () => {
    const kept = checks.filter((check) => check.checked).map((check) => Number(check.value));
    said.textContent = "The network is asked …";
    const found = await send("scales", { result: event.job, kept });
    if (!found) { said.textContent = ""; return; }
    expect(found.job, (answer) => {
      if (answer.kind === "queued") said.textContent = "Waiting for its turn …";
      if (answer.kind === "failed") said.textContent = answer.error;
      if (answer.kind !== "done") return;
      over.src = answer.picture;
      const names = kept.map((place) => event.scales[place].name).join(", ");
      said.textContent = kept.length === event.scales.length ? `With all scales: ${percent(answer.probability)}` : kept.length ? `With ${names} alone: ${percent(answer.probability)}` : `With nothing but noise: ${percent(answer.probability)}`;
    });
  };
  checks.forEach((check) => { check.onchange = change; });
}
