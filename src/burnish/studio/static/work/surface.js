// A completion's text as a surface to mark on: selections in, coloured marks out. Offsets are UTF-16 units here.

/** One surface for each completion; several questions may mark on the same one. */
export function surface(side, text, label, signal) {
  const box = side.querySelector("[data-surface]");
  const page = box.querySelector(".written");
  let pending = null; // [start, end] of the last selection
  let owners = []; // functions that return [{start, end, label, severity, current}]

  page.textContent = text; // the page's parser has changed line ends; offsets must be those of the text itself

  const offset = (node, at) => {
    const before = document.createRange();
    before.setStart(page, 0);
    before.setEnd(node, at);
    return before.toString().length;
  };

  /** Look at what is selected now; what was selected here stays known when the selection goes elsewhere. */
  function look() {
    const selection = getSelection();
    if (!selection.rangeCount || !page.contains(selection.anchorNode) || !page.contains(selection.focusNode)) return;
    const range = selection.getRangeAt(0);
    const [start, end] = [offset(range.startContainer, range.startOffset), offset(range.endContainer, range.endOffset)];
    pending = start < end ? trimmed(text, start, end) : null;
  }
  document.addEventListener("selectionchange", look, { signal });

  function draw() {
    const caret = page.contentEditable === "true" ? offset(getSelection().focusNode, getSelection().focusOffset) : -1;
    const marks = owners.flatMap((owner) => owner());
    const cuts = [...new Set([0, text.length, ...marks.flatMap((mark) => [mark.start, mark.end])])].sort((a, b) => a - b);
    const parts = cuts.slice(0, -1).map((start, index) => {
      const end = cuts[index + 1];
      const over = marks.filter((mark) => mark.start <= start && mark.end >= end);
      if (!over.length) return document.createTextNode(text.slice(start, end));
      const part = document.createElement("mark");
      part.textContent = text.slice(start, end);
      part.dataset.depth = String(Math.min(over.length, 3));
      part.classList.toggle("current", over.some((mark) => mark.current));
      const ending = over.filter((mark) => mark.end === end);
      if (ending.length) part.dataset.says = ending.map((mark) => mark.label).join(" · ");
      return part;
    });
    page.replaceChildren(...parts);
    if (caret >= 0) put(caret);
  }

  /** Put the caret behind so many characters. */
  function put(caret) {
    const walk = document.createTreeWalker(page, NodeFilter.SHOW_TEXT);
    let left = caret;
    while (walk.nextNode() && left > walk.currentNode.length) left -= walk.currentNode.length;
    getSelection().collapse(walk.currentNode, Math.min(left, walk.currentNode.length ?? 0));
  }

  // A caret without a mouse: the text becomes editable for the browser, which then moves and selects as everywhere, and
  // every change is refused.
  function enter() {
    page.contentEditable = "true";
    page.setAttribute("role", "textbox");
    page.setAttribute("aria-readonly", "true");
    page.setAttribute("aria-multiline", "true");
    page.setAttribute("aria-label", label);
    page.setAttribute("inputmode", "none");
    page.spellcheck = false;
    page.focus();
    if (!pending) getSelection().collapse(page, 0);
  }
  function leave() {
    if (page.contentEditable !== "true") return;
    page.contentEditable = "false";
    for (const name of ["role", "aria-readonly", "aria-multiline", "aria-label", "inputmode"]) page.removeAttribute(name);
  }
  for (const kind of ["beforeinput", "drop", "paste", "cut"]) page.addEventListener(kind, (event) => event.preventDefault());
  page.addEventListener("input", draw); // an input method may write without asking: put the text back
  page.addEventListener("blur", leave);

  return {
    text,
    taken() {
      look(); // the event may come later than the key
      return pending;
    },
    forget() {
      pending = null;
      if (page.contains(getSelection().anchorNode)) getSelection().collapseToEnd();
    },
    add: (owner) => owners.push(owner),
    draw,
    enter,
  };
}

function trimmed(text, start, end) {
  while (start < end && /\s/.test(text[start])) start += 1;
  while (end > start && /\s/.test(text[end - 1])) end -= 1;
  return start < end ? [start, end] : null;
}
