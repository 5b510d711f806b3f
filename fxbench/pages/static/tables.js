// Tables sort by their headers and are filtered by words and lists.
(() => {
  "use strict";
  const value = (row, column) => {
    const cell = row.cells[column];
    if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
    const text = cell.textContent.trim();
    if (text === "-" || text === "") return null;
    const number = Number(text.replaceAll(",", ""));
    return Number.isNaN(number) ? text.toLowerCase() : number;
  };
  const order = (a, b, up) => {
    // What is missing stands last, whichever way.
    if (a === null || b === null) return (a === null) - (b === null);
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    const turn = typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true });
    return up ? turn : -turn;
  };
  for (const box of document.querySelectorAll(".table[data-sorts]")) {
    const body = box.querySelector("tbody");
    const headers = [...box.querySelectorAll("thead th")];
    headers.forEach((header, column) => {
      header.querySelector("button").addEventListener("click", () => {
        const numeric = header.classList.contains("n");
        const was = header.getAttribute("aria-sort");
        // Of most numbers the largest is looked for first; of ranks and times the smallest.
        const up = was ? was === "descending" : !numeric || header.dataset.low !== undefined;
        for (const other of headers) other.removeAttribute("aria-sort");
        header.setAttribute("aria-sort", up ? "ascending" : "descending");
        const rows = [...body.rows].map((row) => [value(row, column), row]);
        rows.sort((a, b) => order(a[0], b[0], up));
        body.append(...rows.map(([, row]) => row));
      });
    });
  }
  for (const filters of document.querySelectorAll(".filters")) {
    const box = filters.parentElement;
    const rows = [...box.querySelectorAll("tbody tr")];
    let texts;
    const search = filters.querySelector("input");
    const lists = [...filters.querySelectorAll("select")];
    const count = filters.querySelector(".count");
    const tell = (shown) => { count.textContent = `${shown} of ${rows.length} rows`; };
    const apply = () => {
      texts ||= rows.map((row) => row.textContent.toLowerCase());
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      const chosen = lists.filter((list) => list.value);
      let shown = 0;
      rows.forEach((row, index) => {
        const fits = words.every((word) => texts[index].includes(word)) &&
          chosen.every((l) => row.cells[Number(l.dataset.column)].textContent === l.value);
        row.hidden = !fits;
        shown += fits ? 1 : 0;
      });
      tell(shown);
    };
    search.addEventListener("input", apply);
    for (const list of lists) list.addEventListener("change", apply);
    // A browser that goes back fills in what was there.
    if (search.value || lists.some((list) => list.value)) apply();
    else tell(rows.length);
  }
})();
