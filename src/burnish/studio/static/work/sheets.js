// Sheets over the page: keys, guidelines, why an item is skipped, what is wrong with it, what the server replies.

import { digit } from "./choices.js";
import { get } from "./net.js";
import { say } from "./text.js";

const sheet = (name) => document.getElementById(`sheet-${name}`);

export const openSheet = () => document.querySelector("dialog[open]");

/** Show keys: [[key, key, ..., word], ...], each line once. */
export function showKeys(lines) {
  const list = sheet("help").querySelector("[data-keys]");
  const once = [...new Map(lines.map((line) => [line.join(), line])).values()];
  list.replaceChildren(
    ...once.map((line) => {
      const row = document.createElement("div");
      const keys = document.createElement("dt");
      for (const key of line.slice(0, -1)) keys.append(Object.assign(document.createElement("kbd"), { textContent: key }), " ");
      row.append(keys, Object.assign(document.createElement("dd"), { textContent: say(line.at(-1)) }));
      return row;
    }),
  );
  sheet("help").showModal();
}

export async function showGuide(address) {
  const place = sheet("guide").querySelector("[data-guide]");
  if (!place.childElementCount) place.innerHTML = await get(address);
  sheet("guide").showModal();
}

/** Ask why; one key or one click answers. Null when the person thinks better of it. */
export function askReason() {
  const dialog = sheet("skip");
  const buttons = [...dialog.querySelectorAll("[data-reason]")];
  return new Promise((resolve) => {
    const keyed = (event) => {
      const button = buttons[digit(event) - 1];
      if (!button) return;
      event.preventDefault();
      end(button.dataset.reason);
    };
    const clicked = (event) => {
      const button = event.target.closest("[data-reason]");
      if (button) end(button.dataset.reason);
    };
    const closed = () => end(null);
    const end = (reason) => {
      dialog.removeEventListener("keydown", keyed);
      dialog.removeEventListener("click", clicked);
      dialog.removeEventListener("close", closed);
      dialog.close();
      resolve(reason);
    };
    dialog.addEventListener("keydown", keyed);
    dialog.addEventListener("click", clicked);
    dialog.addEventListener("close", closed);
    dialog.showModal();
  });
}

/** Ask what is wrong with the item. Null when the person thinks better of it. */
export function askProblem() {
  const dialog = sheet("flag");
  const form = dialog.querySelector("form");
  form.reset();
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    const close = () => resolve(dialog.returnValue === "send" ? form.elements.note.value : null);
    dialog.addEventListener("close", close, { once: true });
  });
}

/** Show what the server replied to an answer; "change" when the person wants the item back. */
export function showReply(html) {
  const dialog = sheet("reply");
  dialog.querySelector("[data-reply]").innerHTML = html;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true });
  });
}
