"use strict";
for (const table of document.querySelectorAll("table")) {
  const heads = [...table.querySelectorAll("th")];
  heads.forEach((head, place) => head.firstChild.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of heads) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = ({cells}) => cells[place].dataset.key ?? cells[place].textContent.replace(/^-$/, "");
    const order = (a, b) => {
      const x = key(a), y = key(b);
      if (x === "" || y === "") return (x === "") - (y === "");  // what is missing comes last
      const gap = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
      return down ? -gap : gap;
    };
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort(order));
  }));
}
