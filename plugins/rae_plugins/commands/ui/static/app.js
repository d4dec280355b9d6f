// Push, palette and keys. Every page works without this script; it never makes HTML from text.
"use strict";

const find = (selector, root = document) => root.querySelector(selector);
const findAll = (selector, root = document) => [...root.querySelectorAll(selector)];
const body = document.body;

// ---- push: one stream of events, and the page itself fetched again -------------------------------------------------

let isLoading = false, isStale = false, isPaused = false, stream = null;

function showSignal(state, text) {
  const signal = find("#signal");
  if (signal) { signal.dataset.state = state; find("span", signal).textContent = text; }
}

function refresh() {
  // An open dialog gives the focus back to an element, which must still be there then.
  if (isLoading || isPaused || document.hidden || find("dialog[open]")) { isStale = true; return; }
  isLoading = true;
  isStale = false;
  load("GET", location.href, null, () => { isLoading = false; if (isStale) refresh(); }, true);
}

// What is still being computed is no event, so it is asked for again.
setInterval(() => { if (find("[data-pending]")) refresh(); }, 1500);

function load(method, url, data, done, isRefresh = false) {
  const request = new XMLHttpRequest();
  request.open(method, url);
  request.responseType = "document";
  request.onloadend = () => {
    if (isRefresh && find("dialog[open]")) isStale = true;
    else if (request.response && request.status < 500) swap(request.response);
    if (request.status === 401) { showSignal("off", "signed out"); if (stream) stream.close(); }
    done(request.status);
  };
  request.send(data);
}

// The words of a part without its times, which change all the time.
function wordsOf(part) {
  const copy = part.cloneNode(true);
  for (const time of findAll("time", copy)) time.remove();
  return copy.textContent;
}

// What had the focus, in the fresh part: by its address or name and what it acts on, as rows may have moved.
function twinOf(element, next) {
  const nameOf = (one) => [
    one.getAttribute("href") || one.getAttribute("aria-label") || wordsOf(one), one.closest("form")?.elements.target?.value,
  ].join();
  const rowOf = (one) => one.closest("[data-row]")?.id;
  const twins = findAll(element.localName, next).filter((other) => nameOf(other) === nameOf(element));
  return twins.find((other) => rowOf(other) === rowOf(element)) || twins[0];
}

function swap(fresh) {
  const signal = find("#signal", fresh);
  if (signal && !isPaused) showSignal(signal.dataset.state, signal.textContent.trim() || "live");
  document.title = fresh.title;
  body.dataset.version = fresh.body.dataset.version;
  for (const next of findAll("[data-live]", fresh)) {
    const old = document.getElementById(next.id);
    const active = document.activeElement;
    if (!old || old.isEqualNode(next)) continue;
    const isInside = old.contains(active);
    if (isInside && active.matches("input, textarea, select")) continue;
    for (const { id } of findAll("details[open][id]", old)) find("#" + CSS.escape(id), next)?.setAttribute("open", "");
    const again = isInside && twinOf(active, next);
    const current = find("[aria-current=true]", old);
    if (wordsOf(old) !== wordsOf(next)) next.classList.add("changed");
    old.replaceWith(document.adoptNode(next));
    if (current && current.id) select(document.getElementById(current.id));
    if (again) again.focus({ preventScroll: true });
  }
  showNeeded();
}

function listen() {
  find("#signal").hidden = !find("[data-live], [data-follow], [data-preview]");
  if (!find("[data-live]") || stream || find("[data-follow], [data-preview]")) return;
  stream = new EventSource("/events");
  stream.addEventListener("hello", (event) => {
    if (isStale || String(JSON.parse(event.data).version) !== body.dataset.version) refresh();
  });
  stream.addEventListener("down", () => { showSignal("off", "no daemon"); refresh(); });
  stream.addEventListener("change", refresh);
  stream.onerror = () => { showSignal("off", "no signal"); isStale = true; };
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) listen(); else if (stream) { stream.close(); stream = null; isStale = true; }
});

function togglePause() {
  isPaused = !isPaused;
  showSignal(isPaused ? "paused" : "live", isPaused ? "paused" : "live");
  if (!isPaused && isStale) refresh();
}

// ---- clocks: distances from now, kept true between two events ------------------------------------------------------

const skew = Date.now() - Date.parse(body.dataset.now || new Date().toISOString());

function distance(seconds) {
  for (const [size, unit] of [[172800, "day"], [3600, "h"], [60, "min"]]) {
    if (seconds >= size) {
      const count = Math.floor(seconds / (unit === "day" ? 86400 : size));
      return `${count} ${unit}${unit === "day" && count > 1 ? "s" : ""}`;
    }
  }
  return `${Math.floor(seconds)} s`;
}

function relativeText(seconds, isStart) {
  if (seconds >= 1) return `in ${distance(seconds)}`;
  if (isStart) return seconds > -60 ? "due now" : `due ${distance(-seconds)} ago`;
  return seconds > -1 ? "now" : `${distance(-seconds)} ago`;
}

function tick() {
  if (document.hidden) return;
  const now = Date.now() - skew;
  for (const time of findAll("time[data-relative]")) {
    const seconds = (Date.parse(time.dateTime) - now) / 1000;
    const text = relativeText(seconds, "due" in time.dataset);
    if (time.textContent !== text) time.textContent = text;
  }
  for (const time of findAll("time[data-elapsed]")) time.textContent = distance((now - Date.parse(time.dateTime)) / 1000);
}
setInterval(tick, 1000);

// ---- following output ----------------------------------------------------------------------------------------------

const followed = find("[data-follow]");
if (followed) {
  const list = find("#lines");
  stream = new EventSource(followed.dataset.follow);
  stream.addEventListener("lines", (event) => {
    const isAtEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 60;
    for (const { offset, parts } of JSON.parse(event.data)) {
      const line = document.createElement("li");
      line.id = `b${offset}`;
      line.append(...parts.map(([ink, text]) => {
        const span = document.createElement("span");
        return Object.assign(span, { className: ink, textContent: text });
      }));
      list.append(line);
    }
    if (isAtEnd) scrollTo(0, document.documentElement.scrollHeight);
  });
  stream.addEventListener("end", () => { stream.close(); showSignal("off", "ended"); });
  stream.addEventListener("hello", () => showSignal("live", "following"));
}

// ---- forms that show what they would do while one types ------------------------------------------------------------

// One question at a time: what is typed meanwhile is asked next, and what is not finished is asked for again.
for (const form of findAll("form[data-preview]")) {
  let timer = 0, isAsking = false, isNext = false;
  const ask = () => {
    if (isAsking) { isNext = true; return; }
    const data = new URLSearchParams(new FormData(form)), isPost = form.method !== "get";
    if (isPost) data.set("preview", "1");
    isAsking = true;
    load(isPost ? "POST" : "GET", isPost ? form.action : `${form.action}?${data}`, isPost ? data : null, (status) => {
      const isAgain = isNext || (status === 200 && find("[data-unfinished]"));
      isAsking = isNext = false;
      if (isAgain) ask();
    });
  };
  form.addEventListener("input", (event) => {
    const shown = event.target.type === "range" && find("output", event.target.closest("label"));
    if (shown) shown.textContent = event.target.value;
    clearTimeout(timer);
    timer = setTimeout(ask, 350);
  });
  if (find("[data-unfinished]")) ask();
}

// ---- the time-lapse: every step of it is on the page already -------------------------------------------------------

// Where motion is unwanted nothing plays; the next step at which something happens can be asked for everywhere.
let playing = 0;

function showStep(number) {
  const bar = find("#step"), steps = findAll("[data-step]");
  bar.value = number;
  find("#lapse output").textContent = [...steps[number].children].map((part) => part.textContent).join("  ");
  for (const curtain of findAll(".curtain")) curtain.setAttribute("x", number + 1);
}

function showNextStep() {
  const bar = find("#step"), at = +bar.value < bar.max ? +bar.value : -1;
  const next = findAll("[data-step]").findIndex((step, number) => number > at && !step.hidden);
  if (playing) togglePlaying();
  showStep(next < 0 ? +bar.max : next);
}

function togglePlaying() {
  const bar = find("#step"), button = find("[data-plays]");
  if (playing) clearInterval(playing);
  playing = playing || !bar ? 0 : setInterval(() => (+find("#step").value < bar.max ? showStep(+find("#step").value + 1) : togglePlaying()), 20000 / (+bar.max + 1));
  if (playing && bar.value === bar.max) showStep(0);
  if (button) button.textContent = playing ? "stop" : "play";
}

matchMedia("(prefers-reduced-motion: reduce)").addEventListener("change", () => { if (playing) togglePlaying(); });
document.addEventListener("input", (event) => { if (event.target.id === "step") showStep(+event.target.value); });

// ---- palette -------------------------------------------------------------------------------------------------------

const palette = find("#palette"), words = find("#palette-words"), results = find("#palette-results");
let asked = 0;

async function fill() {
  const text = words.value.trim().toLowerCase(), mine = ++asked;
  // Until the answer is there: Enter must never open what doesn't have the words.
  for (const item of findAll("li", results)) if (!item.textContent.toLowerCase().includes(text)) item.remove();
  const first = find("li", results);
  if (first && !find("li[aria-current]", results)) first.setAttribute("aria-current", "true");
  const pages = findAll("nav a, [data-palette]").map((link) => [link.dataset.palette || link.textContent.trim(), link]);
  const shown = pages.filter(([name]) => name.toLowerCase().includes(text)).map(([name, link]) => ({ name, link }));
  const answer = await fetch(`/api/jobs?limit=20&q=${encodeURIComponent(text)}`).then((r) => (r.ok ? r.json() : null));
  if (mine !== asked) return;
  for (const job of answer ? answer.jobs : []) shown.push({ name: job.id, href: `/jobs/${encodeURIComponent(job.id)}` });
  results.replaceChildren(...shown.slice(0, 30).map(({ name, link, href }, number) => {
    const item = document.createElement("li"), button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    if (href) button.className = "of-job";
    if (number === 0) item.setAttribute("aria-current", "true");
    button.addEventListener("click", () => { palette.close(); if (href) location.href = href; else link.click(); });
    item.append(button);
    return item;
  }));
}

if (palette) {
  words.addEventListener("input", fill);
  palette.addEventListener("keydown", (event) => {
    const items = findAll("li", results), at = items.findIndex((item) => item.hasAttribute("aria-current"));
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && items.length) {
      items[Math.max(at, 0)].removeAttribute("aria-current");
      const next = items[(at + step + items.length) % items.length];
      next.setAttribute("aria-current", "true");
      next.scrollIntoView({ block: "nearest" });
      event.preventDefault();
    } else if (event.key === "Enter" && items[at]) {
      find("button", items[at]).click();
      event.preventDefault();
    }
  });
}

function openPalette() {
  if (!palette || palette.open) return;
  words.value = "";
  palette.showModal();
  fill();
}

// ---- keys: those of the terminal view ------------------------------------------------------------------------------

const rows = () => findAll("[data-row]"), selected = () => find("[data-row][aria-current=true]");
function select(row, takesFocus = false) {
  if (!row) return;
  for (const other of rows()) other.removeAttribute("aria-current");
  row.setAttribute("aria-current", "true");
  // The focus goes along, so that Enter, Tab and a screen reader are where the mark is.
  const link = find("a", row);
  if (takesFocus && link) link.focus({ preventScroll: true });
  else if (takesFocus) document.activeElement.blur();
  row.scrollIntoView({ block: "nearest" });
}
function move(step) {
  const all = rows(), at = all.indexOf(selected());
  if (all.length) select(all[at < 0 ? 0 : Math.min(Math.max(at + step, 0), all.length - 1)], true);
}

const keys = {
  j: () => move(1), ArrowDown: () => move(1),
  k: () => move(-1), ArrowUp: () => move(-1),
  "/": () => { const filter = find("[data-filter]"); if (filter && filter.offsetParent) filter.focus(); else openPalette(); },
  Escape: () => {
    const row = selected(), menu = find(".menu[open]");
    if (menu) { menu.open = false; find("summary", menu).focus(); }
    else if (row) { row.removeAttribute("aria-current"); if (row.contains(document.activeElement)) document.activeElement.blur(); }
  },
  Enter: () => { const row = selected(), link = row && find("a", row); if (link) link.click(); },
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || find("dialog[open]")) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) {
    if (event.key !== "Escape") return;
    event.target.blur();
  }
  if (event.key === "Enter" && event.target.closest("a, button, summary")) return;
  if (event.key === " " && event.target.matches("button, summary, .scroll, pre, .lines")) return;
  if (event.key.startsWith("Arrow") && !selected()) return;
  const name = event.key === " " ? "Space" : event.key, key = `[data-key="${CSS.escape(name)}"]`;
  const act = keys[name], row = selected();
  // What a row offers is done to the selected row alone, never to the first one.
  const isOutside = (found) => !found.closest("[data-row]") && found.checkVisibility();
  const target = act ? null : (row && find(key, row)) || findAll(key).find(isOutside);
  const kbd = act || target ? null : findAll("#help [data-leads-to]").find((one) => one.textContent === name);
  const job = kbd && (row?.dataset.job || body.dataset.job);
  if (!act && !target && !job) return;
  event.preventDefault();
  if (act) act();
  else if (job) location.href = kbd.dataset.leadsTo.replace("*", encodeURIComponent(job));
  else { target.click(); if (!target.matches("a, button")) target.focus(); }
});

// Who tabs into a row selects it, and so keys act on what has the focus.
document.addEventListener("focusin", (event) => {
  const row = event.target.closest("[data-row]");
  if (row && event.target.matches(":focus-visible") && row !== selected()) select(row);
});
for (const dialog of findAll("dialog")) dialog.addEventListener("close", () => { if (isStale) refresh(); });

// ---- small things --------------------------------------------------------------------------------------------------

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy], [data-opens], [data-pauses], [data-plays], [data-steps]");
  if (!button) return;
  if (button.dataset.opens === "palette") openPalette();
  else if (button.dataset.opens) find("#" + button.dataset.opens).showModal();
  else if ("pauses" in button.dataset) togglePause();
  else if ("plays" in button.dataset) togglePlaying();
  else if ("steps" in button.dataset) showNextStep();
  else {
    const source = document.getElementById(button.dataset.copy);
    navigator.clipboard.writeText(source.value || source.textContent).then(() => {
      const label = button.textContent;
      button.textContent = "copied";
      setTimeout(() => { button.textContent = label; }, 1200);
    });
  }
});
function showNeeded() { for (const hidden of findAll("[data-needs-script]")) hidden.hidden = false; }
showNeeded();
listen();
