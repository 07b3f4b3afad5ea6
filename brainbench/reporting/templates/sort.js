"use strict";
for (const button of document.querySelectorAll("thead button")) {
  button.addEventListener("click", () => {
    const heading = button.closest("th"), table = heading.closest("table");
    const column = [...heading.parentNode.children].indexOf(heading);
    const before = heading.getAttribute("aria-sort");
    const up = before ? before === "descending" : heading.dataset.first === "ascending";
    for (const other of heading.parentNode.children) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", up ? "ascending" : "descending");
    const body = table.tBodies[0], numbers = heading.classList.contains("number");
    const key = row => row.children[column].dataset.value ?? row.children[column].textContent.trim();
    const rows = [...body.rows].map((row, place) => ({ row, place, key: key(row) }));
    rows.sort((a, b) => {
      if (a.key === "" || b.key === "") return (a.key === "") - (b.key === "") || a.place - b.place;
      const order = numbers ? a.key - b.key : a.key.localeCompare(b.key);
      return (up ? order : -order) || a.place - b.place;
    });
    body.append(...rows.map(({ row }) => row));
  });
}
