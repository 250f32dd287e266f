// What helps with reading: text as written, long texts, differences between a pair, scrolling together, quoting.

import { get } from "./net.js";
import { announce, say } from "./text.js";

export function reading(form, { links, signal }) {
  const sides = [...form.querySelectorAll(".side")];
  const bodies = sides.map((side) => side.querySelector(".words.body"));
  const isPair = sides.length === 2;
  let quoted = "";
  let follows = null;

  document.addEventListener("selectionchange", () => {
    const selection = getSelection();
    const inside = selection.anchorNode && form.contains(selection.anchorNode) && selection.anchorNode.parentElement?.closest(".words");
    if (inside && !selection.isCollapsed) quoted = selection.toString();
  }, { signal });

  /** Show one of the views of every text: written, formatted or compared. */
  function view(name) {
    for (const words of form.querySelectorAll(".words")) {
      const found = words.querySelector(`.${name}`) ?? words.querySelector(".formatted") ?? words.querySelector(".written");
      for (const each of words.children) each.hidden = each !== found && each.className !== "end-of-text";
    }
    form.dataset.view = name;
  }

  function raw() {
    const written = form.dataset.view !== "written";
    view(written ? "written" : "formatted");
    announce(say(written ? "raw_on" : "raw_off"));
  }

  async function difference() {
    if (!isPair) return;
    const on = form.dataset.view !== "compared";
    if (on && !form.querySelector(".compared")) {
      const parts = JSON.parse(await get(links.differences));
      bodies.forEach((body, index) => {
        const made = document.createElement("div");
        made.className = "text compared";
        made.dir = "auto";
        made.innerHTML = parts.html[index];
        body.append(made);
      });
    }
    view(on ? "compared" : "formatted");
    announce(say(on ? "diff_on" : "diff_off"));
  }

  function lock() {
    if (sides.length < 2) return;
    const on = follows === null;
    if (on) {
      follows = (event) => {
        const from = event.currentTarget;
        const share = from.scrollTop / Math.max(1, from.scrollHeight - from.clientHeight);
        for (const body of bodies) {
          const top = share * (body.scrollHeight - body.clientHeight);
          if (body !== from && Math.abs(body.scrollTop - top) > 1) body.scrollTop = top;
        }
      };
      for (const body of bodies) body.addEventListener("scroll", follows, { passive: true });
    } else {
      for (const body of bodies) body.removeEventListener("scroll", follows);
      follows = null;
    }
    form.classList.toggle("locked", on);
    announce(say(on ? "lock_on" : "lock_off"));
  }

  function unfold(button) {
    const open = button.getAttribute("aria-expanded") !== "true";
    button.setAttribute("aria-expanded", String(open));
    button.previousElementSibling.classList.toggle("open", open);
    button.textContent = say(open ? "fold" : "unfold");
  }

  function prompt() {
    const found = form.querySelector("[data-prompt]");
    if (found) found.open = !found.open;
  }

  form.addEventListener("click", (event) => {
    const button = event.target.closest("[data-quote]");
    if (!button || !quoted.trim()) return;
    const box = document.getElementById(button.dataset.quote);
    const space = box.value && !/\s$/.test(box.value) ? " " : "";
    box.value += `${space}“${quoted.trim()}” `;
    box.focus();
    box.dispatchEvent(new Event("input", { bubbles: true }));
  });
  for (const button of form.querySelectorAll("[data-quote]")) {
    button.addEventListener("mousedown", (event) => event.preventDefault()); // keeps what is selected
  }
  if (isPair) lock();
  const asked = form.querySelector("[data-prompt]");
  if (asked) asked.scrollTop = asked.scrollHeight; // of a long conversation the last turn is what was answered
  for (const body of bodies) {
    // What scrolls by itself can be reached by Tab, and is named by its side's title.
    if (body.scrollHeight <= body.clientHeight || body.tabIndex === 0) continue;
    body.tabIndex = 0;
    body.setAttribute("role", "group");
    body.setAttribute("aria-labelledby", body.closest(".side").getAttribute("aria-labelledby"));
  }

  /** Scroll texts that scroll by themselves, as the window would. */
  function scroll(pages) {
    const tall = bodies.filter((body) => body.scrollHeight > body.clientHeight);
    for (const body of follows ? tall.slice(0, 1) : tall) body.scrollTop += pages * body.clientHeight;
    return tall.length > 0;
  }

  const keys = {
    r: raw,
    d: () => difference().catch(() => announce(say("failed"))),
    l: lock,
    p: prompt,
    o: () => form.querySelectorAll(".unfold").forEach(unfold),
  };
  const scrolls = { " ": 0.8, PageDown: 0.8, PageUp: -0.8, ArrowDown: 0.12, ArrowUp: -0.12, Home: -1e4, End: 1e4 };
  return {
    unfold,
    key(event) {
      if (event.key in scrolls && !event.target.closest("button, a, summary, input, .words")) return scroll(scrolls[event.key]);
      if (!(event.key in keys)) return false;
      keys[event.key]();
      return true;
    },
    help: [
      ...(form.querySelector(".formatted") ? [["r", "key_raw"]] : []),
      ...(isPair ? [["d", "key_diff"]] : []),
      ...(sides.length > 1 ? [["l", "key_lock"]] : []),
      ...(sides.length > 1 ? [["Space", "↑", "↓", "key_scroll"]] : []),
      ["p", "key_prompt"],
      ...(form.querySelector(".unfold") ? [["o", "key_unfold"]] : []),
    ],
  };
}
