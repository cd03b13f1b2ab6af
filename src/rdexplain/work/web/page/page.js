"use strict";

const $ = (id) => document.getElementById(id);
const percent = (share) => share >= 0.1 ? `${(100 * share).toFixed(0)} %` : share >= 0.001 ? `${(100 * share).toFixed(1)} %` : "< 0.1 %";
const seconds = (time) => time >= 90 ? `${Math.round(time / 60)} min` : `${Math.max(1, Math.round(time))} s`;

let about = null;      // the answer of api/about
let tab = null;        // the server's name for this page
let greet;             // resolves `known`, once `tab` is set
const known = new Promise((resolve) => { greet = resolve; });
let photo = null;      // {number, name, picture, answers}
let live = null;       // the explanation whose previews are shown
const asked = new Map(); // handlers of results, by the number of the work

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
  offerEfforts();
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

const late = []; // events of work whose number has not arrived yet

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
  $("regions").hidden = true;
  $("answers").replaceChildren(make("p", { textContent: "The network looks …" }));
  $("seen").hidden = false;
  const mine = photo;
  expect(found.job, (event) => {
    if (event.kind === "failed") complain(event.error);
    if (event.kind === "done" && photo === mine) { Object.assign(mine, { answers: event.answers, regions: event.regions }); showAnswers(); }
  });
  $("seen-title").scrollIntoView({ block: "start", behavior: "smooth" });
}

function showAnswers() {
  const { answers } = photo;
  const point = showRegions(photo);
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
    for (const kind of ["pointerenter", "focusin"]) row.addEventListener(kind, () => point(place));
    for (const kind of ["pointerleave", "focusout"]) row.addEventListener(kind, () => point(-1));
    return row;
  }));
  $("boxes").replaceChildren(...answers.filter((answer) => answer.box).map((answer) => {
    const [left, top, right, bottom] = answer.box.map((side) => 100 * Math.min(Math.max(side, 0), 1));
    return make("button", { type: "button", className: "box", ariaLabel: `Why ${answer.label}?`, title: `${answer.label}, ${percent(answer.probability)}`,
      style: `left:${left}%;top:${top}%;width:${right - left}%;height:${bottom - top}%`, onclick: () => explain({ target: answer.target }) });
  }));
}

// Draws the clickable regions of a segmentation; returns a function that highlights the region of an answer, -1 for none.
function showRegions({ answers, regions }) {
  const canvas = $("regions");
  canvas.hidden = !regions;
  if (!regions) return () => {};
  const { width, height, runs } = regions;
  const places = new Int16Array(width * height);
  for (let run = 0, at = 0; run < runs.length; at += runs[run + 1], run += 2) places.fill(runs[run], at, at + runs[run + 1]);
  Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d");
  let now = -1;
  const point = (place) => {
    if (place === now) return;
    now = place;
    canvas.toggleAttribute("title", place >= 0);
    if (place >= 0) canvas.title = `Why is this ${answers[place].label}?`;
    const colours = pen.createImageData(width, height);
    if (place >= 0) places.forEach((one, at) => { if (one === place) colours.data.set([240, 228, 66, 130], 4 * at); });
    pen.putImageData(colours, 0, 0);
  };
  const under = (event) => {
    const box = canvas.getBoundingClientRect();
    const across = Math.floor((event.clientX - box.left) / box.width * width), down = Math.floor((event.clientY - box.top) / box.height * height);
    return places[Math.min(Math.max(down, 0), height - 1) * width + Math.min(Math.max(across, 0), width - 1)];
  };
  canvas.onpointermove = (event) => point(under(event));
  canvas.onpointerleave = () => point(-1);
  canvas.onclick = (event) => { if (under(event) >= 0) explain({ target: answers[under(event)].target }); };
  point(-1);
  return point;
}

async function explain(question) {
  const mine = photo;
  const given = { photo: mine.number, method: $("method").value, preset: $("preset").value, keep: 2 ** Number($("keep").value), seed: Number($("seed").value) || 0, ...question };
  const found = await send("explain", given);
  if (!found) return;
  live = { job: found.job, question: given };
  const name = (target) => mine.answers.find((one) => one.target === target)?.label;
  const [what, other] = [name(given.target), name(given.against)];
  $("live-title").textContent = what ? `Why ${what}${other ? ` rather than ${other}` : ""}? The explanation forms` : "The explanation forms";
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
    $("live-text").textContent = forming(event);
    const top = Math.max(...event.losses), low = Math.min(...event.losses), wide = event.losses.length - 1 || 1;
    $("live-loss").firstElementChild.setAttribute("points", event.losses.map((loss, place) =>
      `${(300 * place / wide * event.step / event.steps).toFixed(1)},${(75 - 70 * (loss - low) / (top - low || 1)).toFixed(1)}`).join(" "));
  }
  if (["done", "failed", "dropped"].includes(event.kind)) { live = null; $("live").hidden = true; }
}

// The progress of an explanation, in words.
function forming({ step, steps, left, attempt }) {
  if (step === steps || live.enough) return "The mask is measured, with fresh noise.";
  const meaning = attempt > 1 ? "The first try kept more than it explains, so that there is a second one, with other noise." : "Less and less of the photo is kept, as long as the network decides the same.";
  return `${attempt > 1 ? "Second try, step" : "Step"} ${step} of ${steps}, about ${seconds(left)} left. ${meaning}`;
}

function explainAgain(mine, question) {
  photo = mine;
  $("photo-picture").src = mine.picture;
  showAnswers();
  explain(question);
}

$("file").onchange = () => { const [file] = $("file").files; if (file) take(file.name, file); $("file").value = ""; };
$("stop").onclick = () => { if (live) { live.enough = true; send("stop", { job: live.job }); } };
$("keep").oninput = () => {
  const value = Number($("keep").value);
  $("keep-said").textContent = value ? `λ ${value > 0 ? "÷" : "×"} ${(2 ** Math.abs(value)).toFixed(1)}` : "as usual";
};
function offerEfforts() {
  const { mask, efforts } = about.methods.find((one) => one.name === $("method").value);
  document.querySelectorAll(".of-masks").forEach((one) => { one.hidden = !mask; });
  if (!mask) return; // what was chosen stays for the next method that has it
  const before = $("preset").value;
  $("preset").replaceChildren(...efforts.map(({ preset, says }) => make("option", { value: preset, textContent: says })));
  $("preset").value = efforts.some(({ preset }) => preset === before) ? before : "fast";
}
$("method").onchange = offerEfforts;
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
