// One page at a time, chosen by the fragment of the address; tables that sort and filter. Without scripts all pages follow each other.
import DataTable from "datatables";

const pages = [...document.querySelectorAll(".page")];
const dark = matchMedia("(prefers-color-scheme: dark)");

// numbers first, empty cells last, whichever way a column is sorted
const compare = (sign) => (a, b) =>
  a === "" || b === "" ? (a === "") - (b === "") : sign * (Number(a) - Number(b));
DataTable.ext.type.order["measured-asc"] = compare(1);
DataTable.ext.type.order["measured-desc"] = compare(-1);

function enhance(table) {
  if (DataTable.isDataTable(table)) return;
  const long = table.tBodies[0].rows.length > 50;
  const name = table.caption.textContent;
  new DataTable(table, {
    order: [],
    autoWidth: false,
    paging: long,
    pageLength: 50,
    lengthMenu: [50, 200, { label: "All", value: -1 }],
    columnDefs: [{ targets: "number", type: "measured" }],
    layout: {
      topStart: { search: { text: "", placeholder: "Search" } },
      topEnd: {
        buttons: [{ extend: "colvis", text: "Columns" }],
      },
      bottomStart: long ? "info" : null,
      bottomEnd: long ? ["pageLength", "paging"] : null,
    },
  });
  table.closest(".dt-container").querySelector("input[type=search]").setAttribute("aria-label", `Search in ${name}`);
}

function open(moveFocus) {
  let target = null;
  try {
    target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  } catch {
    // an address that is none of this page
  }
  const page = target?.closest(".page") ?? pages[0];
  for (const other of pages) other.hidden = other !== page;
  const title = page.querySelector("h1");
  document.title = `${title.textContent} – ${document.querySelector("header strong").textContent}`;
  const entry = page.dataset.parent ?? page.id;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${entry}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  page.querySelectorAll("table.sortable").forEach(enhance);
  if (target && target !== page) target.scrollIntoView();
  else scrollTo(0, 0);
  if (moveFocus) title.focus({ preventScroll: true });
}

function theme() {
  document.documentElement.classList.toggle("dark", dark.matches);
}

theme();
dark.addEventListener("change", theme);
// the link that skips the navigation stays on its page
addEventListener("hashchange", () => location.hash === "#content" || open(true));
addEventListener("beforeprint", () => pages.forEach((page) => (page.hidden = false)));
addEventListener("afterprint", () => open(false));
open(false);
document.documentElement.dataset.ready = "yes";
