"use strict";
// Colours of the page for the charts, which are drawn on a canvas and cannot read style sheets.
const theme = {
  dark: matchMedia("(prefers-color-scheme: dark)"),
  colour(name) {
    const style = getComputedStyle(document.documentElement);
    const known = {ink: "--ink", soft: "--soft", line: "--line", mark: "--mark", paper: "--paper"};
    return style.getPropertyValue(known[name] || `--${name}`).trim();
  },
  redrawn: [],
  // Draws now, and again when the reader's system switches between light and dark.
  draw(make) { theme.redrawn.push(make); make(); },
};
theme.dark.addEventListener("change", () => theme.redrawn.forEach(make => make()));

const element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== false && value !== null) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
};

const dataOf = id => {
  const found = document.getElementById(id);
  return found ? JSON.parse(found.textContent) : null;
};

// The box under the pointer; its text is never read as HTML.
const tip = {
  box: document.getElementById("tip"),
  show(text, x, y) {
    tip.box.textContent = text;
    tip.box.hidden = false;
    const {width, height} = tip.box.getBoundingClientRect();
    const left = Math.max(4, Math.min(x + 14, innerWidth - width - 4));
    tip.box.style.left = `${left}px`;
    tip.box.style.top = `${y + height + 22 > innerHeight ? y - height - 12 : y + 14}px`;
  },
  hide() { tip.box.hidden = true; },
};
addEventListener("scroll", tip.hide, {passive: true});

// Copies the text that a button names in data-copy.
document.addEventListener("click", async event => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = button.dataset.copy;
  try {
    await navigator.clipboard.writeText(text);
  } catch {  // a page from disk may have no clipboard
    const area = element("textarea", {"aria-hidden": "true"});
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  const before = button.textContent;
  button.textContent = "copied";
  setTimeout(() => { button.textContent = before; }, 1200);
});
