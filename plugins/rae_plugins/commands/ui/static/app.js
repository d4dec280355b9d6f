// Push, palette and keys. Every page works without this script; it never makes HTML from text.
"use strict";

const find = (selector, root = document) => root.querySelector(selector);
const findAll = (selector, root = document) => [...root.querySelectorAll(selector)];
const make = (name, values) => Object.assign(document.createElement(name), values);
const body = document.body;

// ---- push: one stream of events, and the page itself fetched again -------------------------------------------------
let isLoading = false, isStale = false, isPaused = false, stream = null;

function showSignal(state, text) {
  const signal = find("#signal");
  if (signal) { signal.dataset.state = state; signal.hidden &&= state !== "off"; find("span", signal).textContent = text; }
}

function refresh() {
  // An open dialog gives the focus back to an element, which must still be there then.
  if (isLoading || isPaused || document.hidden || find("dialog[open]")) { isStale = true; return; }
  isLoading = true; isStale = false;
  load("GET", location.href, null, () => { isLoading = false; if (isStale) refresh(); }, true);
}

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

// What had the focus, in the fresh part: by its key, address or name and what it acts on, as rows may have moved.
function twinOf(element, next) {
  const nameIn = (one) => one.dataset.key || one.getAttribute("href") || one.getAttribute("aria-label") || wordsOf(one);
  const nameOf = (one) => `${nameIn(one)},${one.closest("form")?.elements.target?.value}`;
  const rowOf = (one) => one.closest("[data-row]")?.id;
  const twins = findAll(element.localName, next).filter((other) => nameOf(other) === nameOf(element));
  return twins.find((other) => rowOf(other) === rowOf(element)) || twins[0];
}

function swap(fresh) {
  showNeeded(fresh);
  const signal = find("#signal", fresh);
  if (signal) {
    if (!isPaused) showSignal(signal.dataset.state, signal.textContent.trim() || "live");
    [document.title, body.dataset.version, skew] = [fresh.title, fresh.body.dataset.version, Math.min(skew, lagOf(fresh))];
  }
  for (const next of findAll("[data-live]", fresh)) {
    const old = document.getElementById(next.id), active = document.activeElement, isInside = old?.contains(active);
    if (!old || old.isEqualNode(next) || (isInside && active.matches("input, textarea, select"))) continue;
    for (const { id } of findAll("details[open][id]", old)) find("#" + CSS.escape(id), next)?.setAttribute("open", "");
    const again = isInside && twinOf(active, next), current = find("[aria-current=true]", old)?.id;
    if (wordsOf(old) !== wordsOf(next)) next.classList.add("changed");
    old.replaceWith(document.adoptNode(next));
    if (current) select(document.getElementById(current));
    if (again) again.focus({ preventScroll: true });
  }
}

function listen() {
  // An answer of What if stays until one asks again.
  const isFollowed = find("main [data-follow]"), isLive = find("main [data-live]") && !find("main [data-preview]");
  find("#signal").hidden = !isLive && !isFollowed;
  if (!isLive || isFollowed || stream) return;
  stream = new EventSource("/events");
  stream.addEventListener("hello", (event) => {
    const { version } = JSON.parse(event.data);
    if (isStale || String(version) !== body.dataset.version) refresh();
    else if (version >= 0 && !isPaused) showSignal("live", "live");
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

// ---- clocks: distances from now; the least lag is the skew, as others have the time that a page took to come -------
const lagOf = (page) => Date.now() - Date.parse(page.body.dataset.now); let skew = lagOf(document);
const UNITS = [[172800, 86400, "days"], [3600, 3600, "h"], [60, 60, "min"], [-Infinity, 1, "s"]];

function distance(seconds) {
  const [, size, unit] = UNITS.find(([least]) => seconds >= least);
  return `${Math.floor(seconds / size)} ${unit}`;
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
    const text = relativeText((Date.parse(time.dateTime) - now) / 1000, "due" in time.dataset);
    if (time.textContent !== text) time.textContent = text;
  }
  // What a run prints comes as no message, so it is asked for again; without the stream nothing does.
  if (find("[data-growing]") || (find("[data-pending]") && find("#signal").dataset.state === "off")) refresh();
  for (const time of findAll("time[data-elapsed]")) time.textContent = distance((now - Date.parse(time.dateTime)) / 1000);
}
setInterval(tick, 1000);

// ---- following output ----------------------------------------------------------------------------------------------
const followed = find("[data-follow]");
if (followed) {
  const lines = new EventSource(followed.dataset.follow);  // also while hidden, as what a trial waits for is done elsewhere
  lines.addEventListener("lines", (event) => {
    const isAtEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 60;
    for (const { offset, parts } of JSON.parse(event.data)) {
      const line = make("li", { id: `b${offset}` }), known = document.getElementById(line.id);
      line.append(...parts.map(([className, textContent]) => make("span", { className, textContent })));
      if (known) known.replaceWith(line); else find("#lines").append(line);
    }
    if (isAtEnd) scrollTo(0, document.documentElement.scrollHeight);
  });
  lines.addEventListener("end", () => { lines.close(); showSignal("off", "ended"); });
  lines.addEventListener("hello", () => showSignal("live", "following"));
  lines.onerror = () => showSignal("off", "no signal");
}

// ---- forms that show what they would do while one types ------------------------------------------------------------
// One question at a time: what is typed meanwhile is asked next, and what is not finished is asked for again.
for (const form of findAll("form[data-preview]")) {
  let timer = 0, isAsking = false, isNext = false;
  const ask = () => {
    if (isAsking) { isNext = true; return; }
    const data = new URLSearchParams(new FormData(form)), isPost = form.method !== "get";
    data.set("preview", "1");
    isAsking = true;
    load(isPost ? "POST" : "GET", isPost ? form.action : `${form.action}?${data}`, isPost ? data : null, (status) => {
      const isAgain = isNext || (status === 200 && find("[data-unfinished]", form));
      isAsking = isNext = false;
      if (isAgain) ask();
    });
  };
  form.addEventListener("input", (event) => {
    const shown = event.target.type === "range" && find("output", event.target.closest("label"));
    if (shown) shown.textContent = event.target.value;
    clearTimeout(timer);
    timer = setTimeout(ask, form.dataset.preview);
  });
  if (find("[data-unfinished]", form)) ask();
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
  const bar = find("#step"), button = find("[data-press=play]");
  clearInterval(playing);
  playing = playing || !bar ? 0 : setInterval(playOn, 20000 / (+bar.max + 1));
  if (playing && bar.value === bar.max) showStep(0);
  if (button) button.textContent = playing ? "stop" : "play";
}

function playOn() {
  const bar = find("#step");
  if (bar && +bar.value < bar.max) showStep(+bar.value + 1); else togglePlaying();
}

matchMedia("(prefers-reduced-motion: reduce)").addEventListener("change", () => { if (playing) togglePlaying(); });
document.addEventListener("input", (event) => { if (event.target.id === "step") showStep(+event.target.value); });

// ---- palette: a form, so that what Enter opens has the words, however quickly they were typed ----------------------
const palette = find("#palette"), words = find("#palette-words");

function openPalette() {
  words.value = "";
  palette.showModal();
  words.dispatchEvent(new Event("input", { bubbles: true }));
}

palette.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key], stops = [words, ...findAll("a", palette)];
  if (!step) return;
  stops.at((stops.indexOf(document.activeElement) + step) % stops.length).focus();
  event.preventDefault();
});

// ---- keys: those of the terminal view ------------------------------------------------------------------------------
const FIELDS = "input, textarea, select, [contenteditable]";
const goBack = () => { if (document.referrer && history.length > 1) history.back(); else find(".crumb a")?.click(); };
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
  "/": () => { const filter = find("[data-filter]"); if (filter?.checkVisibility()) filter.focus(); else openPalette(); },
  Escape: (event) => {
    const row = selected(), menu = find(".menu[open]");
    if (menu) { menu.open = false; find("summary", menu).focus(); }
    else if (row) { row.removeAttribute("aria-current"); if (row.contains(document.activeElement)) document.activeElement.blur(); }
    // A field is left first; and an edit of What if, which is saved nowhere, is not lost by a key.
    else if (!event.target.matches(FIELDS) && !find("main [data-preview]")) goBack();
  },
  Enter: () => { const row = selected(), link = row && find("a", row); if (link) link.click(); },
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || find("dialog[open]")) return;
  if (event.target.closest(FIELDS)) {
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
  const first = act ? null : (row && find(key, row)) || findAll(key).find(isOutside), menu = first?.closest(".menu[open]");
  const target = (menu && find(`form ${key}`, menu)) || first;
  const kbd = act || target ? null : findAll("#help [data-leads-to]").find((one) => one.textContent === name);
  const job = kbd && (row?.dataset.job || body.dataset.job);
  if (!act && !target && !job) return;
  event.preventDefault();
  if (act) act(event);
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
function copy(button) {
  const source = document.getElementById(button.dataset.of), label = button.textContent;
  navigator.clipboard.writeText(source.value || source.textContent).then(() => {
    button.textContent = "copied";
    setTimeout(() => { button.textContent = label; }, 1200);
  });
}

const presses = {
  copy, pause: togglePause, play: togglePlaying, step: showNextStep, palette: openPalette, help: () => find("#help").showModal(),
};
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-press]");
  if (button) presses[button.dataset.press](button);
});

function showNeeded(root = document) { for (const hidden of findAll("[data-needs-script]", root)) hidden.hidden = false; }
showNeeded(), listen();
