// Replaces what has changed, counts ages, and filters. All text comes rendered from the server.
"use strict";

const page = document.getElementById("page");
const live = document.getElementById("live");
const filter = document.getElementById("filter");
let ahead = Number(page.dataset.now) - Date.now() / 1000; // of the server's clock
let failing = null;

// Ages and moments.

const UNITS = [[86400, "d"], [3600, "h"], [60, "m"], [1, "s"]];

function duration(seconds) {
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)}s`;
  const parts = [];
  let left = Math.floor(seconds);
  for (const [size, unit] of UNITS) {
    const number = Math.floor(left / size);
    left %= size;
    if (number || parts.length) parts.push(`${number}${unit}`);
  }
  return parts.slice(0, 2).join(" ");
}

function count(root) {
  const now = Date.now() / 1000 + ahead;
  for (const age of root.querySelectorAll("time.age")) {
    const text = duration(now - Number(age.dataset.since));
    if (age.textContent !== text) age.textContent = text;
  }
}

const style = { timeStyle: "medium", hourCycle: "h23" };
const clock = new Intl.DateTimeFormat(undefined, style);
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", ...style });

function localise(root) {
  const today = new Date().toDateString();
  for (const moment of root.querySelectorAll("time.moment")) {
    const when = new Date(moment.dateTime);
    moment.textContent = (when.toDateString() === today ? clock : day).format(when);
    moment.title = moment.dateTime;
  }
}

// Parts.

const mould = document.createElement("template");

function parse(html) {
  mould.innerHTML = html;
  localise(mould.content);
  count(mould.content);
  return [...mould.content.children];
}

function put(fresh) {
  const old = document.getElementById(fresh.id);
  if (old) old.replaceWith(fresh);
  else document.getElementById("rows")?.append(fresh);
}

function order(ids) {
  const rows = document.getElementById("rows");
  const wanted = new Set(ids);
  for (const row of [...rows.children]) if (!wanted.has(row.id)) row.remove();
  let next = rows.firstElementChild;
  for (const id of ids) {
    const row = document.getElementById(id);
    if (row === next) next = next.nextElementSibling;
    else if (row) rows.insertBefore(row, next);
  }
}

const SLICE = 8; // rows that are parsed at once
const BUDGET = 8; // ms until the browser may do something else
const MEASURES = 1000; // that are kept of the slices
let work = Promise.resolve();

function update(message) {
  work = work.then(() => apply(message));
}

async function apply(message) {
  ahead = message.now - Date.now() / 1000;
  const parts = Object.values(message.parts);
  const isRow = (html) => html.trimStart().startsWith("<tr");
  const rows = parts.filter(isRow);
  let begun = performance.now();
  replace(parse(parts.filter((html) => !isRow(html)).join("")));
  for (let index = 0; index < rows.length; index += SLICE) {
    replace(parse(rows.slice(index, index + SLICE).join("")));
    if (performance.now() - begun > BUDGET && !document.hidden) {
      performance.measure("slice", { start: begun });
      await new Promise((done) => setTimeout(done));
      begun = performance.now();
    }
  }
  if (message.rows) order(message.rows);
  if (filter) told();
  if (message.title) document.title = `${message.title} - carpool`;
  performance.measure("slice", { start: begun });
  if (performance.getEntriesByName("slice").length > MEASURES) performance.clearMeasures("slice");
}

function replace(fresh) {
  const focused = document.activeElement?.getAttribute?.("href");
  const within = document.activeElement?.closest?.("[id]")?.id;
  const words = wanted();
  for (const part of fresh) {
    if (words.length && part.tagName === "TR") show(part, words);
    put(part);
    // What had the focus goes on having it, for those who use the keyboard.
    if (focused && part.id === within) {
      part.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus();
    }
  }
}

// The filter.

function wanted() {
  return filter ? filter.value.toLowerCase().split(/\s+/).filter(Boolean) : [];
}

function show(row, words) {
  const text = row.textContent.toLowerCase();
  row.hidden = !words.every((word) => text.includes(word));
}

function told() {
  const rows = document.getElementById("rows");
  const some = rows.childElementCount > 0;
  document.getElementById("groups").hidden = !some;
  document.getElementById("none").hidden = !some || rows.querySelector("tr:not([hidden])") !== null;
}

function filterAll() {
  const words = wanted();
  for (const row of document.getElementById("rows").children) show(row, words);
  told();
}

// What makes it go.

function say(text, good) {
  live.hidden = false;
  live.textContent = text;
  live.classList.toggle("cut", !good);
}

function listen() {
  const stream = new EventSource(page.dataset.stream);
  stream.addEventListener("parts", (event) => {
    clearTimeout(failing);
    failing = null;
    say("live", true);
    update(JSON.parse(event.data));
  });
  stream.addEventListener("alive", () => say("live", true));
  stream.onerror = () => {
    failing ??= setTimeout(() => say("not live: no connection", false), 1000);
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
  };
  addEventListener("pagehide", () => stream.close(), { once: true });
}

document.getElementById("apply").hidden = true;
document.getElementById("span").addEventListener("change", (event) => event.target.form.submit());
if (filter) {
  filter.addEventListener("input", filterAll);
  filter.form.addEventListener("submit", (event) => event.preventDefault());
  filterAll();
}
localise(document);
count(document);
setInterval(() => count(document), 1000);
listen();
addEventListener("pageshow", (event) => event.persisted && listen());
