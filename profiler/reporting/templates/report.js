for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent.trim());
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
}
for (const tools of document.querySelectorAll(".tools")) {
  const list = document.getElementById(tools.dataset.of);
  const all = [...list.children];
  const chosen = (name) => tools.querySelector(`[data-tool=${name}]`)?.value ?? "";
  const score = (article, metric) => {
    const held = [...article.querySelectorAll("[data-score]")].find((one) => one.dataset.score === metric);
    return held ? Number(held.dataset.value) : NaN;
  };
  const show = (event) => {
    const wanted = chosen("search").toLowerCase();
    for (const article of all)
      article.hidden =
        !article.textContent.toLowerCase().includes(wanted) ||
        ["group", "outcome"].some((name) => chosen(name) && article.dataset[name] !== chosen(name));
    tools.querySelector("output").value = `${all.filter((article) => !article.hidden).length} of ${all.length}`;
    if (event?.target.dataset.tool !== "sort") return;
    const sign = chosen("sort")[0] === "-" ? -1 : 1;
    const values = new Map(all.map((article) => [article, score(article, chosen("sort").slice(1))]));
    const gap = (one, two) => sign * (values.get(one) - values.get(two));
    const known = all.filter((article) => !isNaN(values.get(article))).sort(gap);
    list.append(...known, ...all.filter((article) => isNaN(values.get(article))));
  };
  tools.hidden = false;
  tools.addEventListener("input", show);
  show();
}
const reveal = () => {
  const target = document.getElementById(location.hash.slice(1));
  for (let held = target?.closest("details"); held; held = held.parentElement.closest("details")) held.open = true;
  if (target?.matches(".exchange")) target.scrollIntoView();
};
addEventListener("hashchange", reveal);
reveal();
