// j and k go down and up a list, or on and back between samples; Enter follows the link. Each page works without.
const rows = [...document.querySelectorAll("[data-keys] tbody tr a")];
document.querySelectorAll("[data-keys-note]").forEach((note) => { note.hidden = false; });
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !["j", "k"].includes(event.key)) return;
  if (event.target.closest("input, select, textarea")) return;
  const down = event.key === "j";
  if (rows.length) {
    const at = rows.indexOf(document.activeElement);
    const to = rows[Math.max(0, Math.min(rows.length - 1, at + (down ? 1 : -1)))];
    to.focus();
    to.closest("tr").scrollIntoView({ block: "nearest" });
  } else {
    document.querySelector(`main a[rel="${down ? "next" : "prev"}"]`)?.click();
  }
});
