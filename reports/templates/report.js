// Search boxes above the folded lists, and a link to a folded entry opens it. Without script both are as they were.
"use strict";
for (const list of document.querySelectorAll("[data-search]")) {
  const entries = [...list.children];
  const texts = entries.map((entry) => entry.textContent.toLowerCase());
  const label = document.createElement("label");
  const field = document.createElement("input");
  const count = document.createElement("output");
  field.type = "search";
  label.append(list.dataset.search + " ", field);
  label.className = "search";
  count.className = "quiet";
  count.setAttribute("role", "status");
  field.addEventListener("input", () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    entries.forEach((entry, i) => { entry.hidden = !words.every((word) => texts[i].includes(word)); });
    const left = entries.filter((entry) => !entry.hidden).length;
    count.textContent = words.length ? left + " of " + entries.length : "";
  });
  label.append(" ", count);
  list.before(label);
}
function unfold() {
  const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) { target.hidden = false; target.open = true; }
}
addEventListener("hashchange", unfold);
unfold();
