// The work screen: one item after another, by keys or by hand; nothing is lost when the connection is.

import * as clock from "./clock.js";
import { fieldsOf } from "./fields.js";
import * as net from "./net.js";
import { reading } from "./reading.js";
import { askProblem, askReason, openSheet, showGuide, showKeys, showReply } from "./sheets.js";
import { announce, say } from "./text.js";
import { toEnd } from "./toend.js";

const SAVE_AFTER = 500; // ms after the last change
const AT_ONCE = "burnish-at-once";
const place = document.getElementById("place");
const offline = document.getElementById("offline");
const saved = document.getElementById("saved");
const study = location.pathname.split("/")[2];
let item = null; // what is on the screen; null when there is nothing left to do
let busy = false;
let waiting = false; // for the connection, with an answer that is not sent yet

const title = () => document.getElementById("item-title").textContent;

/** Say in the bar how things stand; what must not be missed is shown on a phone too, where the bar has no room. */
function tell(sentence, isLoud = false) {
  saved.textContent = sentence;
  saved.classList.toggle("loud", isLoud && sentence !== "");
}

// --------------------------------------------------------------------------------------------------- an item

function show(html) {
  item?.over.abort(); // what the last item listened to on the page
  item = null; // and what its fields say while they go is no change
  place.innerHTML = html;
  load();
  scrollTo(0, 0);
  document.getElementById("item-title").focus({ preventScroll: true });
}

function load() {
  const form = document.getElementById("task");
  if (!form) return;
  const told = JSON.parse(document.getElementById("told").textContent);
  const own = `/tasks/${study}/items/${told.assignment}`;
  const links = { difference: `${own}/difference`, differences: `${own}/differences` };
  const made = { form, told, own, timer: 0, active: net.activeSeconds(told.assignment), since: performance.now(), sent: null, over: new AbortController() };
  const { signal } = made.over;
  made.reading = reading(form, { links, signal });
  made.toEnd = told.read_to_end ? toEnd(form, { assignment: told.assignment, signal }) : null;
  made.fields = fieldsOf(form, { told, links, signal, changed: () => changed(made), decided: (field) => decided(made, field) });
  item = made;
  clock.watch(() => seconds(made));
  const draft = net.keptDraft(told.assignment) ?? told.draft;
  made.fields.restore(draft);
  made.fields.enter(made.fields.missing() ?? made.fields.all[0]);
  choose(made);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  const atOnce = form.querySelector(".at-once");
  atOnce.hidden = !form.classList.contains("docked");
  form.querySelector("#at-once").checked = localStorage.getItem(AT_ONCE) === "yes";
  atOnce.addEventListener("change", (event) => localStorage.setItem(AT_ONCE, event.target.checked ? "yes" : "no"));
}

/** Mark the side that a comparison prefers, also in words. */
function choose(of) {
  const pair = of.fields.all.find((field) => field.question.kind === "comparison")?.state();
  of.form.querySelectorAll(".side").forEach((side, index) => {
    const is = pair?.chosen === index;
    side.classList.toggle("preferred", is);
    side.querySelector(".chosen").hidden = !is;
  });
}

function changed(of) {
  if (of !== item) return;
  choose(of);
  complain("");
  net.keepDraft(of.told.assignment, of.fields.draft());
  tell(say("saving"));
  clearTimeout(of.timer);
  of.timer = setTimeout(save, SAVE_AFTER, of);
}

async function save(of) {
  const draft = of.fields.draft();
  try {
    await net.post(`${of.own}/draft`, draft);
    if (of === item && JSON.stringify(net.keptDraft(of.told.assignment)) === JSON.stringify(draft)) {
      net.dropDraft(of.told.assignment);
      tell(say("saved"));
    }
  } catch (failure) {
    if (isOver(failure)) complain(say("over"));
    tell(isOver(failure) ? "" : say("kept"), true);
  }
}

/** A key or a tap has decided a question: where that is all there is to decide, and the person wants it so, send. */
function decided(of, field) {
  const last = of.form.classList.contains("docked") && field.complete();
  if (last && of.form.querySelector("#at-once").checked) send();
}

/** Say above the buttons what is in the way, with links that lead out of it: {address: words}. */
function complain(sentence, links = {}) {
  const problem = document.getElementById("problem");
  if (!problem) return;
  const ways = Object.entries(links).map(([href, textContent]) => Object.assign(document.createElement("a"), { href, textContent }));
  problem.replaceChildren(sentence, ...ways.flatMap((way) => [" ", way]));
  problem.hidden = !sentence;
}

// ------------------------------------------------------------------------------------------ what leaves the page

/** How long the item has been in sight, whether or not the page was loaded again meanwhile. */
function seconds(of, isHidden = document.hidden) {
  return Math.round(10 * (of.active + (isHidden ? 0 : (performance.now() - of.since) / 1000))) / 10;
}

addEventListener("visibilitychange", () => {
  if (!item) return;
  if (document.hidden) {
    item.active = seconds(item, false);
    net.keepActiveSeconds(item.told.assignment, item.active);
  } else item.since = performance.now();
});

/** The same answers keep their key, however often they are sent. */
function payload(of) {
  const answers = of.fields.answers();
  const content = JSON.stringify(answers);
  if (of.sent?.content !== content) {
    of.sent = { content, body: { key: crypto.randomUUID?.() ?? randomKey(), seconds: seconds(of), answers } };
  }
  return of.sent.body;
}

function randomKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function send() {
  const missing = item.fields.missing();
  if (missing) {
    item.fields.go(missing);
    complain(say("missing", { question: missing.root.querySelector("legend").textContent.trim() }));
    return;
  }
  const unread = item.toEnd?.unread();
  if (unread) {
    item.toEnd.lead(unread);
    complain(say("unread", { text: item.toEnd.name(unread) }));
    return;
  }
  await leave(item.own, payload(item), "sent");
}

async function skip() {
  const reason = await askReason();
  if (reason !== null) await leave(`${item.own}/skip`, { key: randomKey(), reason, note: "" }, "skipped");
}

/** Send what ends the work on an item and go on with what the server gives next. */
async function leave(address, body, word) {
  if (busy) return;
  const of = item;
  busy = true;
  clearTimeout(of.timer);
  of.form.setAttribute("aria-busy", "true");
  try {
    const reply = await net.post(address, body);
    net.dropDraft(of.told.assignment);
    tell("");
    if (reply.reply && (await showReply(reply.reply)) === "change") return void (await undo());
    show(reply.html);
    announce(say(word, { item: title() }));
  } catch (failure) {
    failed(failure, address, body, of);
  } finally {
    busy = false;
    of.form.removeAttribute("aria-busy");
  }
}

/** Whether an item is out of reach for good: somebody else has it, or it was ended in another window. */
const isOver = (failure) => failure instanceof net.Refused && [404, 409, 410].includes(failure.status);

function failed(failure, address, body, of) {
  if (net.mayPass(failure)) {
    net.keep(address, body);
    wait();
  } else if (net.isSignedOut(failure)) {
    net.keep(address, body);
    complain(say("sign_in"), { "/sign-in": say("to_sign_in") });
  } else if (isOver(failure)) {
    net.dropDraft(of.told.assignment);
    refresh("gone"); // somebody else has the item by now, or it was answered in another window
  } else {
    complain(failure.message || say("failed"));
  }
}

/** Nothing can be sent: say so, and go on by ourselves when that has changed. */
function wait() {
  if (waiting) return;
  waiting = true;
  offline.hidden = false;
  item?.form.classList.add("waiting");
  net.retry((taken) => {
    waiting = false;
    offline.hidden = true;
    if (item && taken) net.dropDraft(item.told.assignment);
    refresh(taken ? "back" : "failed");
  });
}

/** Show what the server would show now. */
async function refresh(word) {
  const html = await net.get(location.pathname).catch(() => null);
  if (html === null) return complain(say("sign_in"), { "/sign-in": say("to_sign_in") });
  const page = new DOMParser().parseFromString(html, "text/html");
  show(page.getElementById("place").innerHTML);
  tell(say(word), true);
  announce(`${say(word)} ${title()}`);
}

async function undo() {
  try {
    const reply = await net.post(`/tasks/${study}/undo`, {});
    if (!reply.html) return announce(say("nothing_to_undo"));
    show(reply.html);
    announce(say("undone", { item: title() }));
  } catch (failure) {
    complain(failure instanceof net.Refused ? failure.message || say("failed") : say("no_connection"));
  }
}

async function flag() {
  const note = await askProblem();
  if (note === null) return;
  const word = await net.post(`${item.own}/flag`, { note }).then(() => "flagged", () => "failed");
  announce(say(word));
  tell(say(word), true);
}

// ------------------------------------------------------------------------------------------------------- keys

const EVERYWHERE = [
  ["↵", "key_send"],
  ["Ctrl ↵", "key_send_always"],
  ["[", "]", "key_next"],
  ["z", "key_undo"],
  ["s", "key_skip"],
  ["f", "key_flag"],
  ["h", "key_guide"],
  ["m", "key_clock"],
  ["?", "key_help"],
];
const doing = {
  undo,
  skip: () => item && skip(),
  flag: () => item && flag(),
  guide: () => showGuide(`/tasks/${study}/guide?part=1`).catch(() => complain(say("no_connection"))),
  help: () => showKeys([...(item ? [...item.fields.help(), ...item.reading.help] : []), ...EVERYWHERE]),
  clock: () => clock.toggle(),
  send: () => item && send(),
  unfold: (button) => item.reading.unfold(button),
};
const keys = { z: "undo", s: "skip", f: "flag", h: "guide", m: "clock", "?": "help" };

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (button) doing[button.dataset.do](button);
});

document.addEventListener("keydown", (event) => {
  if (openSheet() || event.isComposing || event.metaKey) return;
  const writes = event.target.matches("textarea, select, input:not([type=radio], [type=checkbox])");
  if (event.key === "Enter" && event.ctrlKey) return take(event, () => doing.send());
  if (event.ctrlKey) return;
  if (event.key === "Escape" && (writes || event.target.isContentEditable)) {
    return take(event, () => (event.target.closest(".field") ?? document.getElementById("item-title")).focus());
  }
  if (writes) return;
  const walks = event.key.startsWith("Arrow") && !event.altKey;
  if (walks && (event.target.matches("input") || event.target.isContentEditable)) return; // the browser's own keys
  const pressed = plainKey(event);
  if (item?.fields.key(pressed)) return void event.preventDefault();
  if (event.altKey) return;
  if (event.key === "Enter" && !event.target.closest("button, a, summary")) return take(event, () => doing.send());
  if (pressed.key in keys) return take(event, () => doing[keys[pressed.key]]());
  if (event.key === "[" || event.key === "]") return take(event, () => item?.fields.step(event.key === "]" ? 1 : -1));
  if (item?.reading.key(pressed)) event.preventDefault();
});

/** A key as it is meant: the letter at its place on keyboards of other scripts, small when only Caps Lock made it big. */
function plainKey({ key, code, shiftKey, altKey, target }) {
  const letter = /^Key[A-Z]$/.test(code) ? code.at(-1).toLowerCase() : "";
  const foreign = letter && !/^[a-z]$/i.test(key) && key.length === 1;
  const meant = foreign ? letter : key.length === 1 && !shiftKey ? key.toLowerCase() : key;
  return { key: meant, code, shiftKey, altKey, target };
}

function take(event, act) {
  event.preventDefault();
  act();
}

load();
if (net.isWaiting()) wait();
