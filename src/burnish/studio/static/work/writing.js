// Kinds that are written: correction with a live difference, comment with aspects, suggestion.

import { post } from "./net.js";
import { say } from "./text.js";

const PAUSE = 250; // ms without a key before the difference is asked for
const plain = (text) => text.replace(/\r\n?/g, "\n"); // what a text field makes of line ends

export function correction(root, { told, changed, links }) {
  const box = root.querySelector("[data-text]");
  const fine = root.querySelector("[data-fine]");
  const shown = root.querySelector("[data-diff]");
  const distance = root.querySelector("[data-distance]");
  const back = root.querySelector("[data-reset]");
  const target = Number(root.dataset.target);
  const original = told.texts[target];
  let timer = 0;
  let asked = 0;

  const isChanged = () => box.value !== plain(original);

  async function compare() {
    const mine = ++asked;
    const reply = await post(links.difference, { completion: target, text: box.value }).catch(() => null);
    if (!reply || mine !== asked) return; // not reached, or a newer text was asked about since
    shown.innerHTML = reply.html;
    shown.hidden = !isChanged();
    distance.textContent = reply.distance;
  }

  function show() {
    back.hidden = !isChanged();
    box.readOnly = fine.checked;
    clearTimeout(timer);
    if (isChanged()) {
      timer = setTimeout(compare, PAUSE);
    } else {
      asked += 1;
      shown.hidden = true;
      distance.textContent = say("unchanged");
    }
  }

  function put(text) {
    box.value = text;
    show();
    changed();
  }

  box.addEventListener("input", show);
  back.addEventListener("click", () => put(original));
  fine.addEventListener("change", () => put(fine.checked ? original : box.value));
  show();

  return {
    state: () => (fine.checked ? { correction: original } : isChanged() ? { correction: box.value } : null),
    complete: () => fine.checked || (isChanged() && box.value.trim() !== ""),
    restore(state) {
      box.value = state.correction;
      fine.checked = !isChanged();
      show();
    },
    key: () => false,
    write: box,
    help: [["c", "key_write"], ["Esc", "key_leave"]],
  };
}

export function comment(root, { changed }) {
  const box = root.querySelector("[data-text]");
  const aspects = [...root.querySelectorAll("[data-aspect]")];
  const pressed = () => aspects.filter((each) => each.getAttribute("aria-pressed") === "true").map((each) => each.dataset.aspect);
  for (const each of aspects) {
    each.addEventListener("click", () => {
      each.setAttribute("aria-pressed", String(each.getAttribute("aria-pressed") !== "true"));
      changed();
    });
  }
  return {
    state() {
      if (!box.value.trim() && !pressed().length) return null;
      return { comment: box.value, ...(pressed().length ? { aspects: pressed() } : {}) };
    },
    complete: () => box.value.trim() !== "",
    restore(state) {
      box.value = state.comment;
      for (const each of aspects) each.setAttribute("aria-pressed", String((state.aspects ?? []).includes(each.dataset.aspect)));
    },
    key: () => false,
    write: box,
    help: [["c", "key_write"], ["Esc", "key_leave"]],
  };
}

export function suggestion(root) {
  const box = root.querySelector("[data-text]");
  return {
    state: () => (box.value.trim() ? { suggestion: box.value } : null),
    complete: () => box.value.trim() !== "",
    restore: (state) => (box.value = state.suggestion),
    key: () => false,
    write: box,
    help: [["c", "key_write"], ["Esc", "key_leave"]],
  };
}
