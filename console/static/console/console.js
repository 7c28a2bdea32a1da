// What the pages do beside htmx: keep what was typed, send again what got no answer, and tell the time.
"use strict";

const RETRY_MS = [500, 1000, 2000, 4000, 8000];
const failures = new WeakMap();

// --- what was typed is never replaced ---

document.addEventListener("input", (event) => {
  const form = event.target.closest("form[data-guarded]");
  if (form) form.dataset.dirty = "";
  const field = event.target.closest("[data-deviates]");
  if (field) askForDeviation(field);
});

document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const old = document.getElementById("current");
  if (event.detail.target !== old) return;
  const fresh = event.detail.fragment.querySelector("#current");
  const isAnswer = "answered" in old.dataset;
  delete old.dataset.answered;
  if (isAnswer || !fresh) return;
  const isSameStep = fresh.dataset.step === old.dataset.step && fresh.dataset.verb === old.dataset.verb;
  const isTyped = old.querySelector("form[data-dirty]") !== null;
  const isUsed = isSameStep && old.contains(document.activeElement);
  if (!isTyped && !isUsed) return;
  event.detail.shouldSwap = false;
  if (!isSameStep) old.querySelector(".overtaken").hidden = false;
});

addEventListener("beforeunload", (event) => {
  if (document.querySelector("form[data-dirty]:not([data-leaving])")) event.preventDefault();
});

document.addEventListener("submit", (event) => {
  event.target.dataset.leaving = "";
});

// --- an answer that does not arrive: the same form again, under the same key ---

document.addEventListener("htmx:beforeRequest", (event) => {
  const form = event.detail.elt;
  if (!form.matches("form[data-guarded]")) return;
  const button = form.querySelector("button[data-sending]");
  if (button) {
    button.dataset.label ??= button.textContent;
    button.textContent = button.dataset.sending;
  }
});

document.addEventListener("htmx:afterRequest", (event) => {
  const { elt, xhr } = event.detail;
  const isAnswered = xhr.status > 0 && xhr.status < 500;
  document.getElementById("offline").hidden = isAnswered;
  if (!elt.matches("form[data-guarded]")) return;
  const section = elt.closest("section");
  const unsent = section?.querySelector(".unsent");
  if (isAnswered) {
    failures.delete(elt);
    if (unsent) unsent.hidden = true;
    return;
  }
  const count = failures.get(elt) ?? 0;
  failures.set(elt, count + 1);
  if (unsent) unsent.hidden = false;
  setTimeout(() => elt.isConnected && htmx.trigger(elt, "submit"), RETRY_MS[Math.min(count, RETRY_MS.length - 1)]);
});

// --- a whole page in place of a part of this one: the sign-in page, or a refusal. What is here stays. ---

let refused = null;

document.addEventListener("htmx:beforeSwap", (event) => {
  const { requestConfig, xhr } = event.detail;
  const sender = requestConfig.elt;
  const isRefusal = xhr.status < 500 && /^\s*<!doctype/i.test(xhr.responseText);
  if (isRefusal) refused = sender;
  else if (refused === sender || !refused?.isConnected) refused = null;
  document.getElementById("refused").hidden = !refused;
  if (isRefusal) {
    event.detail.shouldSwap = false;
    for (const button of sender.querySelectorAll("button[data-label]")) button.textContent = button.dataset.label;
  } else if (sender.matches("form[data-guarded]")) {
    document.getElementById("current").dataset.answered = "";
  }
});

// --- reasons for values outside their limits ---

function askForDeviation(field) {
  const input = field.querySelector("input:not([type=hidden])");
  const box = field.querySelector(".deviation");
  if (!input || !box || box.contains(document.activeElement)) return;
  const value = input.value.trim() === "" ? NaN : Number(input.value);
  const isOutside = value < Number(field.dataset.min ?? -Infinity) || value > Number(field.dataset.max ?? Infinity);
  box.hidden = !isOutside;
  if (!isOutside) box.querySelector("textarea").value = "";
}

// --- time: the zone of this browser beside UTC, and what has elapsed ---

const zone = new Intl.DateTimeFormat([], { timeZoneName: "short" });
const local = new Intl.DateTimeFormat([], {
  year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit",
  timeZoneName: "short",
});

function offsetOf(date) {
  const minutes = -date.getTimezoneOffset();
  const pad = (number) => String(Math.floor(Math.abs(number))).padStart(2, "0");
  return `${minutes < 0 ? "-" : "+"}${pad(minutes / 60)}:${pad(minutes % 60)}`;
}

function localTextOf(date) {
  const pad = (number, digits = 2) => String(number).padStart(digits, "0");
  const day = `${pad(date.getFullYear(), 4)}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  return `${day}T${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

function showInThisZone(field, hidden) {
  if (!field.value || hidden.value) return;
  const instant = new Date(`${field.value}Z`);
  field.value = localTextOf(instant);
  hidden.value = offsetOf(instant);
}

function elapsedSince(instant) {
  const seconds = Math.max(0, Math.floor((Date.now() - instant) / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const pad = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${pad(minutes)}:${pad(seconds % 60)}` : `${minutes}:${pad(seconds % 60)}`;
}

function tellTime(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
    time.title = time.textContent;
    time.textContent = local.format(new Date(time.dateTime));
  }
  for (const hint of root.querySelectorAll("[data-zone]")) {
    hint.textContent = zone.formatToParts(new Date()).find((part) => part.type === "timeZoneName").value;
  }
  for (const hidden of root.querySelectorAll("[data-offset-of]")) {
    const field = document.getElementById(hidden.dataset.offsetOf);
    const set = () => { hidden.value = field.value ? offsetOf(new Date(field.value)) : ""; };
    field.addEventListener("input", set);
    if ("utc" in field.dataset) showInThisZone(field, hidden);
    else set();
  }
}

function tellElapsed() {
  for (const article of document.querySelectorAll("[data-since]")) {
    const since = Date.parse(article.dataset.since);
    article.querySelector("[data-elapsed]").textContent = elapsedSince(since);
    const expected = Number(article.dataset.expected);
    const isLate = expected > 0 && Date.now() - since > expected * 1000;
    article.classList.toggle("late", isLate);
    if (isLate) article.querySelector("[data-elapsed]").append(" · late");
  }
}

// --- what buttons do ---

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-reload]")) {
    document.querySelectorAll("form[data-dirty]").forEach((form) => { delete form.dataset.dirty; });
    location.assign(location.pathname);
  }
  if (event.target.closest("[data-print]")) print();
});

document.addEventListener("htmx:load", (event) => {
  tellTime(event.detail.elt);
  tellElapsed();
});
tellTime(document);
tellElapsed();
setInterval(tellElapsed, 1000);
