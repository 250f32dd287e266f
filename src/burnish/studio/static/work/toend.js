// Where a study asks for it: which texts were read to their ends. An end counts as read once it was in sight, which no
// folded text is, nor one that scrolls by itself and was not scrolled, nor one behind the buttons at the lower edge.

const READ = "burnish-read:";

/** Watch the texts of an item; `unread()` gives the first whose end was never in sight, null when there is none. */
export function toEnd(form, { assignment, signal }) {
  const texts = [...form.querySelectorAll(".words")].filter((words) => !words.closest(".earlier"));
  const ends = texts.map((words) => words.appendChild(Object.assign(document.createElement("span"), { className: "end-of-text" })));
  const read = new Set(JSON.parse(sessionStorage.getItem(READ + assignment)) ?? []); // kept for a page loaded again

  function look() {
    const before = read.size;
    for (const [place, end] of ends.entries()) if (!read.has(place) && inSight(end, form)) read.add(place);
    if (read.size > before) sessionStorage.setItem(READ + assignment, JSON.stringify([...read]));
  }

  addEventListener("scroll", look, { capture: true, passive: true, signal }); // of the window, and of any box in it
  addEventListener("resize", look, { signal });
  look();
  return {
    unread() {
      look();
      return texts.find((_, place) => !read.has(place)) ?? null;
    },
    name: (words) => words.closest(".side, .prompt").querySelector("h3").textContent.trim(),
    /** Put the reader where they may go on: unfolded, with the focus in it, so that keys scroll it. */
    lead(words) {
      const fold = words.closest("details:not([open])");
      if (fold) fold.open = true;
      const button = words.nextElementSibling;
      if (button?.matches(".unfold[aria-expanded=false]")) button.click();
      words.focus({ preventScroll: true });
      words.scrollIntoView({ block: "nearest" });
    },
  };
}

/** Whether a mark is shown, cut off neither by the window, nor by the buttons over it, nor by a box that scrolls. */
function inSight(mark, form) {
  const { top, bottom, height } = mark.getBoundingClientRect();
  const dock = form.querySelector(".dock");
  const covered = getComputedStyle(dock).position === "sticky" ? Math.min(dock.offsetHeight, innerHeight / 2) : 0;
  let [high, low] = [0, innerHeight - covered];
  for (let box = mark.parentElement; box !== form; box = box.parentElement) {
    if (getComputedStyle(box).overflowY === "visible") continue;
    const frame = box.getBoundingClientRect();
    [high, low] = [Math.max(high, frame.top), Math.min(low, frame.bottom)];
  }
  return height > 0 && top >= high - 1 && bottom <= low + 1;
}
