// What sets the page going.

for (const table of document.querySelectorAll("table.sortable")) startTable(table);
window.addEventListener("beforeprint", () => {
  for (const protocol of document.querySelectorAll(".protocol")) protocol.open = true;
});
for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", () => copy(byId(button.dataset.copy).textContent, button));
}
