// Times in the viewer's own zone, buttons that copy, and nothing else: every page works without this file.
(() => {
  "use strict";
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  const form = new Intl.DateTimeFormat("en-GB", {
    day: "2-digit", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false,
    timeZone: zone,
  });

  const shown = (date) => {
    const part = Object.fromEntries(form.formatToParts(date).map(({ type, value }) => [type, value]));
    // As the server writes them, so that nothing on the page moves: 05 Jan 2026 09:30:00
    return `${part.day} ${part.month.slice(0, 3)} ${part.year} ${part.hour}:${part.minute}:${part.second}`;
  };

  const localize = (root) => {
    for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
      const date = new Date(time.dateTime);
      if (Number.isNaN(date.getTime())) continue;
      time.title = `${time.dateTime} (UTC)`;
      time.textContent = shown(date);
    }
    for (const note of root.querySelectorAll(".zone")) note.textContent = `Times are in ${zone.replaceAll("_", " ")}`;
    for (const button of root.querySelectorAll("button[data-copy]")) button.hidden = false;
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    const label = button.dataset.label ??= button.textContent;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed here";
    }
    setTimeout(() => { button.textContent = label; }, 2000);
  });

  // A filter that is chosen is applied at once.
  document.addEventListener("change", (event) => {
    if (event.target.matches(".filters select")) event.target.form.requestSubmit();
  });

  localize(document);
  document.addEventListener("htmx:after:swap", () => localize(document));
})();
