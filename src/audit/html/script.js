"use strict";
// Sorting, filtering and deep links. Without it the page is only longer to read.
(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  const key = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.sort ?? cell.textContent.trim();
  };

  const sort = (table, column) => {
    const heads = all("th", table);
    const head = heads[column];
    const direction = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", direction);
    const sign = direction === "ascending" ? 1 : -1;
    const rows = Array.from(table.tBodies[0].rows, (row) => [key(row, column), row]);
    rows.sort((a, b) => sign * collator.compare(a[0], b[0]));
    table.tBodies[0].append(...rows.map((pair) => pair[1]));
  };

  for (const table of all("table.sortable")) {
    all("th", table).forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      button.addEventListener("click", () => sort(table, column));
      head.replaceChildren(button);
    });
  }

  // On a phone there are no heads to click.
  for (const form of all("form.controls")) {
    const table = document.getElementById(form.dataset.for);
    const label = document.createElement("label");
    const select = document.createElement("select");
    label.className = "by";
    label.append(Object.assign(document.createElement("span"), { textContent: "Sort by" }), select);
    select.append(...all("th", table).map((head, column) => new Option(head.textContent, column)));
    select.prepend(new Option("", ""));
    select.selectedIndex = 0;
    select.addEventListener("input", (event) => {
      event.stopPropagation();
      if (select.value !== "") sort(table, Number(select.value));
    });
    form.querySelector("button[type=reset]").before(label);
  }

  const filter = (form) => {
    const table = document.getElementById(form.dataset.for);
    const wanted = Array.from(new FormData(form)).filter(([, value]) => value !== "");
    // Of a select every value counts, also the one that names nobody.
    const picked = all("select[name]", form).filter((select) => select.selectedIndex > 0);
    const words = wanted.filter(([name]) => name === "text").flatMap(([, value]) => value.toLowerCase().split(/\s+/));
    const rows = Array.from(table.tBodies[0].rows);
    let shown = 0;
    for (const row of rows) {
      row.text ??= row.textContent.toLowerCase();
      const fits = picked.every((select) => row.dataset[select.name] === select.value)
        && words.every((word) => row.text.includes(word));
      row.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    form.querySelector("output").value = `${shown} of ${rows.length}`;
    const nothing = form.parentElement.querySelector(".nothing");
    if (nothing) nothing.hidden = shown > 0;
  };

  for (const form of all("form.controls")) {
    form.addEventListener("input", () => filter(form));
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(() => filter(form)));
  }

  // A name in a chart shows its findings.
  for (const button of all("button.pick")) {
    button.addEventListener("click", () => {
      const form = document.querySelector("form[data-for=findings-table]");
      if (!form) return;
      form.reset();
      const select = form.elements[button.dataset.column];
      select.selectedIndex = Array.from(select.options).findIndex((option, index) => index > 0 && option.value === button.dataset.value);
      setTimeout(() => {
        filter(form);
        const heading = document.getElementById("findings");
        heading.scrollIntoView();
        heading.focus({ preventScroll: true });
      });
    });
  }

  // A link to a finding shows it, whatever is filtered.
  const follow = () => {
    const target = document.getElementById(location.hash.slice(1));
    if (!target?.matches("tr")) return;
    const form = document.querySelector(`form[data-for="${target.closest("table").id}"]`);
    const show = () => {
      target.scrollIntoView({ block: "center" });
      target.focus({ preventScroll: true });
    };
    if (target.hidden) {
      form.reset();
      // Behind the filter, which waits for the form to be empty.
      setTimeout(show);
    } else {
      show();
    }
  };
  addEventListener("hashchange", follow);
  follow();

  addEventListener("keydown", (event) => {
    const isTyping = event.target.matches("input, select, textarea");
    if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
      document.querySelector("input[type=search]")?.focus();
      event.preventDefault();
    }
    if (event.key === "Escape" && event.target.matches("input[type=search]")) event.target.form.reset();
  });
})();
