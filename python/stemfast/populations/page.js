"use strict";
// Sorts a table by the column that is clicked; numbers stand in data-v where text is formatted.
function value(row, column) {
  const cell = row.cells[column];
  const text = cell.dataset.v === undefined ? cell.textContent.trim() : cell.dataset.v;
  return text !== "" && !isNaN(text) ? Number(text) : text;
}
function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}
function mark(head, up) {
  for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
}
for (const table of document.querySelectorAll("table.sortable")) {
  for (const head of table.tHead.rows[0].cells) {
    head.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      const body = table.tBodies[0];
      const rows = Array.from(body.rows);
      rows.sort((a, b) => (up ? 1 : -1) * compare(value(a, head.cellIndex), value(b, head.cellIndex)));
      body.append(...rows);
      mark(head, up);
    });
  }
}
// The particles: kept as numbers, drawn a page at a time.
(function () {
  const table = document.getElementById("particles");
  if (!table) return;
  const data = JSON.parse(document.getElementById("data").textContent);
  const name = (row) => data.files[row[0]];
  const columns = [name, (r) => r[1], (r) => r[2] ?? "", (r) => data.words[r[3]], (r) => r[4], (r) => r[5] ?? ""];
  const size = 50;
  let rows = data.rows, page = 0;
  const body = table.tBodies[0];
  const label = document.getElementById("page");
  const choice = document.getElementById("choice");
  function draw() {
    const last = Math.max(0, Math.ceil(rows.length / size) - 1);
    page = Math.min(Math.max(page, 0), last);
    body.replaceChildren(...rows.slice(page * size, (page + 1) * size).map((row) => {
      const line = document.createElement("tr");
      for (const column of columns) line.insertCell().textContent = column(row);
      return line;
    }));
    label.textContent = rows.length + " particles, page " + (page + 1) + " of " + (last + 1);
  }
  for (const head of table.tHead.rows[0].cells) {
    head.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      const column = columns[head.cellIndex];
      rows = rows.slice().sort((a, b) => (up ? 1 : -1) * compare(column(a), column(b)));
      mark(head, up);
      page = 0;
      draw();
    });
  }
  choice.addEventListener("change", () => {
    rows = data.rows.filter((r) => choice.value === "" || String(r[3]) === choice.value);
    for (const head of table.tHead.rows[0].cells) head.removeAttribute("aria-sort");
    page = 0;
    draw();
  });
  document.getElementById("back").addEventListener("click", () => { page -= 1; draw(); });
  document.getElementById("on").addEventListener("click", () => { page += 1; draw(); });
  draw();
})();
