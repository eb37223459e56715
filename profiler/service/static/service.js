// Small helps of the service's pages; each page works without.

// A job's steps as they come; without this, a reload shows them.
for (const place of document.querySelectorAll("[data-events]")) {
  const source = new EventSource(place.dataset.events);
  source.addEventListener("step", (event) => {
    const step = JSON.parse(event.data);
    let shown = [...place.children].find((each) => each.dataset.what === step.what);
    if (!shown) {
      shown = document.createElement("p");
      shown.className = "step";
      shown.dataset.what = step.what;
      const label = document.createElement("label");
      label.append(document.createElement("span"), " ", document.createElement("progress"));
      shown.append(label, " ", document.createElement("small"));
      place.append(shown);
    }
    shown.querySelector("span").textContent = `${step.what} ${step.done}/${step.total ?? "?"}`;
    shown.querySelector("small").textContent = step.words;
    const bar = shown.querySelector("progress");
    bar.max = step.total ?? 1;
    if (step.total) bar.value = step.done;
  });
  source.addEventListener("state", (event) => {
    const job = JSON.parse(event.data);
    if (job.state === "done" && job.verb === "profile" && job.result) location.assign(`/runs/${encodeURIComponent(job.result)}`);
    else if (job.state !== place.dataset.state || String(job.turn) !== place.dataset.turn) location.reload();
  });
}
