// How long the item has been in sight, for those who want to know: off until asked for, and remembered.

const SHOWN = "burnish-clock";
const place = document.getElementById("clock");
let elapsed = () => 0;

/** Say how the seconds of the item on the screen are found. */
export function watch(seconds) {
  elapsed = seconds;
  tick();
}

export function toggle() {
  localStorage.setItem(SHOWN, place.hidden ? "yes" : "no");
  place.hidden = !place.hidden;
  tick();
}

function tick() {
  if (place.hidden) return;
  const seconds = Math.floor(elapsed());
  place.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

place.hidden = localStorage.getItem(SHOWN) !== "yes";
setInterval(tick, 1000);
