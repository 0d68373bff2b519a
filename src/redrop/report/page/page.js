// Comfort on top of a page that is complete without it: sorting, filtering, copying, charts with hover.
"use strict";

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// "1.9082 ± 0.0058", "−0.02", "1,200", "3 of 5" -> their first number; words -> null.
function numberIn(text) {
  const found = text.replace(/−/g, "-").replace(/,/g, "").match(/^[+-]?\d+(\.\d+)?(e[+-]?\d+)?/);
  return found ? Number(found[0]) : null;
}

function compareCells(a, b, direction) {
  const empty = (text) => text === "" || text === "—";
  if (empty(a) || empty(b)) return empty(a) - empty(b); // dashes stay last, whichever the direction
  const [x, y] = [numberIn(a), numberIn(b)];
  return direction * (x !== null && y !== null ? x - y : a.localeCompare(b, "en", { numeric: true }));
}

function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  const original = new Map([...table.tBodies].map((body) => [body, [...body.rows]]));
  heads.forEach((head, column) => {
    const button = element("button", { type: "button", textContent: head.textContent });
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const next = { null: "ascending", ascending: "descending", descending: null }[head.getAttribute("aria-sort")];
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      if (next) head.setAttribute("aria-sort", next);
      for (const [body, rows] of original) {
        const fixed = rows.filter((row) => row.className === "heading");
        const own = rows.filter((row) => row.className !== "heading");
        const text = (row) => row.cells[column].dataset.text ?? row.cells[column].textContent.trim();
        if (next) own.sort((a, b) => compareCells(text(a), text(b), next === "ascending" ? 1 : -1));
        body.append(...fixed, ...own);
      }
    });
  });
}

function filterable(table) {
  const rows = [...table.tBodies].flatMap((body) => [...body.rows]).filter((row) => row.className !== "heading");
  if (rows.length < 8) return;
  const input = element("input", { type: "search", autocomplete: "off" });
  const count = element("output");
  const title = table.closest("section").querySelector("h3, h4").textContent;
  input.setAttribute("aria-label", `Filter rows of: ${title}`);
  const words = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  input.addEventListener("input", () => {
    const wanted = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of rows) row.hidden = !wanted.every((word) => words.get(row).includes(word));
    for (const body of table.tBodies) body.hidden = ![...body.rows].some((row) => !row.hidden && row.className !== "heading");
    const left = rows.filter((row) => !row.hidden).length;
    count.textContent = wanted.length ? `${left} of ${rows.length} rows` : "";
  });
  const line = element("div", { className: "filter" }, element("label", {}, "Filter ", input), count);
  table.closest(".scroll").before(line);
}

function copyButton(text, name) {
  const button = element("button", { type: "button", className: "copy", textContent: name });
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    button.textContent = "copied";
    setTimeout(() => (button.textContent = name), 1500);
  });
  return button;
}

function copyable() {
  for (const table of document.querySelectorAll("table[data-command]")) {
    for (const cell of table.querySelectorAll("th.run")) {
      const run = cell.textContent.trim();
      cell.dataset.text = run;
      const button = copyButton(table.dataset.command.replaceAll("RUN", run), "copy command");
      button.setAttribute("aria-label", `copy command of ${run}`);
      cell.append(" ", button);
    }
  }
}

// Charts: drawn again when the page turns dark or light.
const dark = window.matchMedia("(prefers-color-scheme: dark)");

function theme() {
  const [ink, line] = dark.matches ? ["#c3c9cf", "#363c42"] : ["#3c444c", "#e3e6e9"];
  const font = "system-ui, sans-serif";
  return {
    font,
    axis: { labelColor: ink, titleColor: ink, gridColor: line, domainColor: line, tickColor: line, labelFontSize: 12, titleFontSize: 12, titleFontWeight: 500 },
  };
}

async function draw(figure) {
  const spec = JSON.parse(figure.querySelector("script").textContent);
  const { lowest, highest } = spec.usermeta;
  const boxes = [...figure.querySelectorAll("input[type=checkbox]")];
  const radios = [...figure.querySelectorAll("input[type=radio]")];
  const options = {
    renderer: "svg", actions: false, config: theme(), tooltip: { theme: dark.matches ? "dark" : "light" },
  };
  const { view } = await vegaEmbed(figure.querySelector(".canvas"), spec, options);
  const update = () => {
    const share = Number(radios.find((radio) => radio.checked).value);
    view.signal("shown", boxes.filter((box) => box.checked).map((box) => box.value));
    view.signal("start", lowest + share * (highest - lowest));
    return view.runAsync();
  };
  figure.querySelector(".controls").onchange = update;
  figure.querySelector("[data-all]").onclick = () => (boxes.forEach((box) => (box.checked = true)), update());
  figure.querySelector("[data-none]").onclick = () => (boxes.forEach((box) => (box.checked = false)), update());
  figure.querySelector(".controls").hidden = false;
  figure.classList.add("drawing");
  await update();
  figure.dataset.drawn = "yes";
}

// What a link leads to may be folded, as may a figure that a claim is drawn in: it opens where it is named.
function unfold() {
  const id = decodeURIComponent(location.hash.slice(1));
  const target = id && document.getElementById(id);
  if (!target) return;
  const inside = target.querySelector(":scope > details");
  if (inside) inside.open = true;
  for (let one = target.closest("details"); one; one = one.parentElement.closest("details")) one.open = true;
  target.scrollIntoView();
}

function showInPlace(link) {
  link.addEventListener("click", (event) => {
    const next = link.closest("p").nextElementSibling;
    const figure = document.querySelector(link.getAttribute("href"));
    if (event.ctrlKey || event.metaKey || event.shiftKey || !figure) return;
    event.preventDefault();
    const shown = next?.matches(".drawn") ? next.dataset.figure : null;
    if (shown) next.remove();
    if (shown === figure.dataset.figure) return;
    const copy = figure.cloneNode(true);
    copy.removeAttribute("id");
    link.closest("p").after(copy);
  });
}

document.querySelectorAll("table.sortable").forEach(filterable);
copyable();
document.querySelectorAll("table.sortable").forEach(sortable);
document.querySelectorAll("a[data-shows]").forEach(showInPlace);
window.addEventListener("hashchange", unfold);
unfold();
if (window.vegaEmbed) {
  const drawOpen = (figures) => figures.forEach((figure) => figure.checkVisibility() && draw(figure));
  for (const fold of document.querySelectorAll("#figures details")) {
    const charts = [...fold.querySelectorAll("figure.chart")];
    fold.addEventListener("toggle", () => drawOpen(charts.filter((figure) => !figure.dataset.drawn)));
  }
  dark.addEventListener("change", () => drawOpen(document.querySelectorAll("figure.chart[data-drawn]")));
}
window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => (one.open = true)));
