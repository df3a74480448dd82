// What changes in the registries or the inventory is fetched and put in place; keys move through the list.
"use strict";

const list = document.querySelector("[data-live]");

if (list) {
  let known = null;
  let busy = false;

  const refresh = async () => {
    if (busy || document.hidden) return;
    busy = true;
    try {
      const answer = await fetch(list.dataset.live + location.search, { credentials: "same-origin" });
      if (answer.redirected) location.reload();
      if (!answer.ok) return;
      const text = await answer.text();
      const current = [...list.querySelectorAll("tbody tr")].findIndex((row) => row.classList.contains("current"));
      const kept = new Map(parts().map((part) => [key(part), part]));
      const focused = list.contains(document.activeElement) ? key(document.activeElement) : null;
      list.innerHTML = text;
      if (current >= 0) mark(current);
      for (const part of parts()) {
        const before = kept.get(key(part));
        if (before?.matches("summary")) part.parentElement.open = before.parentElement.open;
        else if (before && part.matches("[type=checkbox], [type=radio]")) part.checked = before.checked;
        else if (before && part.matches("input, select, textarea")) part.value = before.value;
        if (key(part) === focused) part.focus({ preventScroll: true });
      }
    } finally {
      busy = false;
    }
  };

  const events = new EventSource("/events");
  events.onmessage = (event) => {
    const part = event.data.split(" ")[list.dataset.part];
    if (known !== null && known !== part) refresh();
    known = part;
  };
  document.addEventListener("visibilitychange", refresh);
  document.querySelectorAll("#filter select").forEach((select) => {
    select.addEventListener("change", () => select.form.requestSubmit());
  });
}

// What somebody filled in, opened or stands on stays so when the list is replaced, if it is still the same thing.
function parts() {
  return [...list.querySelectorAll("a, button, summary, [tabindex], input:not([type=hidden]), select, textarea")];
}

function key(part) {
  const about = part.form ? [...part.form.elements].filter((each) => each.type === "hidden" && each.name !== "csrf") : [];
  const words = part.name ? part.name + (part.type === "radio" ? part.value : "") : part.textContent.replace(/: \d+$/, "");
  return [part.tagName, part.form?.action, ...about.map((each) => each.value), part.ariaLabel, words.trim()].join("|");
}

function mark(number) {
  const rows = [...list.querySelectorAll("tbody tr")];
  rows.forEach((row, place) => row.classList.toggle("current", place === number));
  rows[number]?.scrollIntoView({ block: "nearest" });
}

// A command is copied; where a page may not do that (no HTTPS), it is marked to be copied by hand.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copy);
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Press Ctrl-C";
    field.focus();
  }
});

document.addEventListener("keydown", (event) => {
  if (!list || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target.closest("input, select, textarea")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const rows = [...list.querySelectorAll("tbody tr")];
  const current = rows.findIndex((row) => row.classList.contains("current"));
  if (event.key === "/") {
    event.preventDefault();
    document.querySelector("#filter input")?.focus();
  } else if (event.key === "j") {
    mark(Math.min(current + 1, rows.length - 1));
  } else if (event.key === "k") {
    mark(Math.max(current - 1, 0));
  } else if (event.key === "Enter" && current >= 0 && event.target === document.body) {
    rows[current].querySelector("a")?.click();
  } else if (event.key === "r" && current >= 0) {
    rows[current].querySelector(".button")?.click();
  }
});
