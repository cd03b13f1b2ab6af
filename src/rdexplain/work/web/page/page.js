"use strict";

const $ = (id) => document.getElementById(id);
const percent = (share) => share >= 0.1 ? `${(100 * share).toFixed(0)} %` : share >= 0.001 ? `${(100 * share).toFixed(1)} %` : "< 0.1 %";
const seconds = (time) => time >= 90 ? `${Math.round(time / 60)} min` : `${Math.max(1, Math.round(time))} s`;

let about = null;      // of the network
let tab = null;        // our name at the server
let greet;             // called when we have one
const known = new Promise((resolve) => { greet = resolve; });
let photo = null;      // {number, name, picture, answers}
let live = null;       // the work that is shown while it forms
const asked = new Map(); // by work: what to do with what comes of it

function make(kind, properties = {}, ...children) {
  const element = document.createElement(kind);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value; else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function complain(text) {
  $("error").textContent = text ?? "";
  $("error").hidden = !text;
  if (text) $("error").scrollIntoView({ block: "nearest" });
}

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(`api/${tab}/${path}`, { method: "POST", ...options });
  } catch {
    complain("The program that serves this page has ended: start rdexplain app again.");
    return null;
  }
  const found = await answer.json().catch(() => ({ error: `the answer was ${answer.status}` }));
  if (found.error) { complain(found.error); return null; }
  complain(null);
  return found;
}

const send = (path, value) => ask(path, { body: JSON.stringify(value) });

async function begin() {
  about = await (await fetch("api/about")).json();
  $("about").textContent = `${about.model} on ${about.device}, photos of ${about.size} × ${about.size} pixels. Nothing leaves this machine.`;
  $("samples").append("Or a sample: ", ...about.samples.map((name) =>
    make("button", { type: "button", textContent: name, onclick: () => take(`sample:${name}`) })));
  $("method").append(...about.methods.filter((one) => one.mask || about.task === "classification").map((one) =>
    make("option", { value: one.name, textContent: `${one.title}: ${one.summary}` })));
  const events = new EventSource("api/events");
  events.onmessage = (event) => hear(JSON.parse(event.data));
  events.onerror = () => {
    if (events.readyState === EventSource.CLOSED || tab) complain("The program that serves this page has ended, or forgot this page: load it again.");
  };
}

function hear(event) {
  if (event.kind === "hello") { tab = event.tab; greet(); complain(null); return; }
  const work = asked.get(event.job);
  if (!work) { late.push(event); return; }
  work(event);
  if (["done", "failed", "dropped"].includes(event.kind)) asked.delete(event.job);
}

const late = []; // events of work whose number we do not know yet

function expect(job, listener) {
  asked.set(job, listener);
  for (const event of late.splice(0)) hear(event);
}

async function take(name, file) {
  await known;
  if (file && file.size > about.most_bytes) { complain(`The photo is larger than ${about.most_bytes / 1e6} MB.`); return; }
  const found = await ask(`photo?name=${encodeURIComponent(name)}`, { body: file ?? null });
  if (!found) return;
  photo = { number: found.photo, name: found.name, picture: found.picture, answers: [] };
  $("photo-picture").src = found.picture;
  $("boxes").replaceChildren();
  $("answers").replaceChildren(make("p", { textContent: "The network looks …" }));
  $("seen").hidden = false;
  const mine = photo;
  expect(found.job, (event) => {
    if (event.kind === "failed") complain(event.error);
    if (event.kind === "done" && photo === mine) { mine.answers = event.answers; showAnswers(); }
  });
  $("seen-title").scrollIntoView({ block: "start", behavior: "smooth" });
}

function showAnswers() {
  const { answers } = photo;
  if (!answers.length) { $("answers").replaceChildren(make("p", { textContent: "The network sees nothing in this photo." })); return; }
  const what = about.task === "classification" ? "Why" : "Why is this";
  $("answers").replaceChildren(...answers.slice(0, 12).map((answer, place) => {
    const row = make("div", { className: "answer" },
      make("span", { className: "name", textContent: answer.label }),
      make("span", { className: "bar", ariaHidden: "true" }, make("i", { style: `width:${100 * answer.probability}%` })),
      make("span", { className: "number", textContent: percent(answer.probability) }));
    const buttons = make("div", { className: "row" },
      make("button", { type: "button", className: place ? "" : "main", textContent: `${what} ${answer.label}?`, onclick: () => explain({ target: answer.target }) }));
    if (about.task === "classification" && answers.length > 1) {
      const rather = make("select", { ariaLabel: `Why ${answer.label} rather than another class?` },
        make("option", { value: "", textContent: "rather than …" }),
        ...answers.filter((other) => other !== answer).map((other) => make("option", { value: other.target, textContent: `rather than ${other.label}` })));
      rather.onchange = () => { if (rather.value) explain({ target: answer.target, against: Number(rather.value) }); rather.value = ""; };
      buttons.append(rather);
    }
    row.append(buttons);
    return row;
  }));
  $("boxes").replaceChildren(...answers.filter((answer) => answer.box).map((answer) => {
    const [left, top, right, bottom] = answer.box.map((side) => 100 * Math.min(Math.max(side, 0), 1));
    return make("button", { type: "button", className: "box", ariaLabel: `Why ${answer.label}?`, title: `${answer.label}, ${percent(answer.probability)}`,
      style: `left:${left}%;top:${top}%;width:${right - left}%;height:${bottom - top}%`, onclick: () => explain({ target: answer.target }) });
  }));
}

async function explain(question) {
  const mine = photo;
  const given = { photo: mine.number, method: $("method").value, preset: $("preset").value, keep: 2 ** Number($("keep").value), seed: Number($("seed").value) || 0, ...question };
  const found = await send("explain", given);
  if (!found) return;
  live = { job: found.job, question: given };
  $("live").hidden = false;
  $("live-picture").src = mine.picture;
  $("live-text").textContent = "Waiting …";
  $("live-bar").removeAttribute("value");
  $("live-loss").firstElementChild.setAttribute("points", "");
  $("stop").hidden = !about.methods.find((one) => one.name === given.method).mask;
  $("live-title").scrollIntoView({ block: "start", behavior: "smooth" });
  expect(found.job, (event) => follow(event, mine, given));
}

function follow(event, mine, given) {
  const shown = live && live.job === event.job;
  if (event.kind === "done") showCard(event, mine, given);
  if (event.kind === "failed") complain(event.error);
  if (!shown) return;
  if (event.kind === "queued") $("live-text").textContent = event.place === 1 ? "Waiting: one other is before this." : `Waiting: ${event.place} others are before this.`;
  if (event.kind === "started") $("live-text").textContent = "The network is asked …";
  if (event.kind === "preview") {
    $("live-picture").src = event.picture;
    $("live-bar").value = event.step / event.steps;
    $("live-text").textContent = `Step ${event.step} of ${event.steps}, about ${seconds(event.left)} left. Less and less of the photo is kept, as long as the network decides the same.`;
    const top = Math.max(...event.losses), low = Math.min(...event.losses), wide = event.losses.length - 1 || 1;
    $("live-loss").firstElementChild.setAttribute("points", event.losses.map((loss, place) =>
      `${(300 * place / wide * event.step / event.steps).toFixed(1)},${(75 - 70 * (loss - low) / (top - low || 1)).toFixed(1)}`).join(" "));
  }
  if (["done", "failed", "dropped"].includes(event.kind)) { live = null; $("live").hidden = true; }
}

function showCard(event, mine, given) {
  const card = $("card").content.firstElementChild.cloneNode(true);
  const part = (name) => card.querySelector(name);
  const file = (name, download) => `api/${tab}/result/${event.job}/${name}${download ? "?download" : ""}`;
  part("h3").textContent = `Why ${event.label}?`;
  part(".said").textContent = `${mine.name}, ${event.method}, ${event.seconds.toFixed(1)} s${event.stopped ? `, stopped at step ${event.stopped}` : ""}`;
  if (event.remark) { part(".remark").textContent = event.remark; part(".remark").hidden = false; }
  const under = part(".under"), over = part(".over"), reveal = part(".reveal input");
  under.src = mine.picture;
  over.src = file("grey.png");
  reveal.oninput = () => { over.style.clipPath = `inset(0 ${100 - reveal.value}% 0 0)`; };
  const looks = [["grey", "grey.png"], ...(event.files.includes("colour.png") ? [["colour", "colour.png"]] : [])];
  const buttons = looks.map(([name, source], place) => make("button", { type: "button", textContent: name, ariaPressed: String(!place), onclick: () => {
    over.src = file(source);
    buttons.forEach((one, other) => { one.ariaPressed = String(other === place); });
  } }));
  if (buttons.length > 1) part(".looks").append(...buttons);
  const figures = [[percent(event.probability), "what the network says to the photo", null]];
  if (event.kept !== undefined) figures.push(
    [percent(event.alone), "what it says to the kept part alone", "Noise stands in place of everything else; a mean over 256 draws."],
    [percent(event.kept), `of the ${event.pixels ? "pixels" : "coefficients"} are kept`, "The mean of the mask: the smaller, the more is said by it."],
    [event.distortion < 5e-5 ? "< 0.0001" : event.distortion.toFixed(4), "distortion", "How far the decision moves, squared, with the kept part alone: 0 is the same decision."],
    [String(event.evaluations), "images sent through the network", null]);
  part(".figures").append(...figures.flatMap(([number, text, help]) =>
    [make("dt", { textContent: number }), make("dd", { textContent: text }, ...(help ? [make("small", { textContent: help })] : []))]));
  if (event.scales && event.scales.length) showScales(part(".scales"), event, over, file);
  const again = part(".again");
  if (event.kept !== undefined) again.append(
    make("button", { type: "button", textContent: "Keep less", onclick: () => explainAgain(mine, { ...given, keep: given.keep / 2, start: event.job }) }),
    make("button", { type: "button", textContent: "Keep more", onclick: () => explainAgain(mine, { ...given, keep: given.keep * 2, start: event.job }) }),
    make("button", { type: "button", textContent: "Other noise", onclick: () => explainAgain(mine, { ...given, start: null, seed: given.seed + 1 }) }));
  const samples = event.files.filter((name) => name.startsWith("sample-"));
  if (samples.length) {
    part(".saw").hidden = false;
    part(".saw .row").append(...samples.map((name, place) => make("img", { src: file(name), loading: "lazy", alt: `Draw ${place + 1}: the kept part, with noise in place of the rest` })));
  }
  const names = { "explanation.png": "picture with figures (PNG)", "grey.png": "explanation alone (PNG)", "explanation.safetensors": "mask (safetensors)", "explanation.json": "record (JSON)" };
  part(".downloads").append(...Object.entries(names).map(([name, text]) => make("a", { href: file(name, true), textContent: text })));
  part(".command").textContent = event.command;
  part(".python").textContent = event.python;
  $("results").hidden = false;
  $("cards").prepend(card);
  card.tabIndex = -1;
  card.focus({ preventScroll: true });
  $("results-title").scrollIntoView({ block: "start", behavior: "smooth" });
}

function explainAgain(mine, question) {
  photo = mine;
  $("photo-picture").src = mine.picture;
  showAnswers();
  explain(question);
}

function showScales(box, event, over, file) {
  box.hidden = false;
  const said = box.querySelector(".scales-said");
  const checks = event.scales.map((scale, place) => make("input", { type: "checkbox", checked: true, value: place }));
  box.querySelector(".row").append(...event.scales.map((scale, place) => make("label", {}, checks[place], ` ${scale.name} `, make("span", { className: "quiet", textContent: percent(scale.kept) }))));
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

$("file").onchange = () => { const [file] = $("file").files; if (file) take(file.name, file); $("file").value = ""; };
$("stop").onclick = () => { if (live) send("stop", { job: live.job }); };
$("keep").oninput = () => {
  const value = Number($("keep").value);
  $("keep-said").textContent = value ? `λ ${value > 0 ? "÷" : "×"} ${(2 ** Math.abs(value)).toFixed(1)}` : "as usual";
};
$("method").onchange = () => {
  const { mask } = about.methods.find((one) => one.name === $("method").value);
  document.querySelectorAll(".of-masks").forEach((one) => { one.hidden = !mask; });
};
const drop = $("drop");
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", kind === "dragover");
    const file = kind === "drop" && event.dataTransfer.files[0];
    if (file) take(file.name, file);
  });
}
document.addEventListener("paste", (event) => {
  const [file] = event.clipboardData.files;
  if (file) take(file.name || "pasted.png", file);
});
begin().catch(() => complain("The program that serves this page does not answer."));
