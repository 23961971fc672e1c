// Times in the viewer's own zone, buttons that copy, the editor's frame: every page works without this file.
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

  // The editor: its frame follows what is typed, and leaving the page does not lose it unasked.
  const follow = document.querySelector("button[data-follow]");
  if (follow) {
    const form = follow.form;
    let unsaved = Boolean(document.getElementById("refused")), saving = false;
    const show = () => {
      if (saving) return;
      const frame = document.querySelector(`iframe[name=${follow.formTarget}]`);
      frame.replaceWith(frame.cloneNode()); // a frame that is new adds nothing to the browser's history
      // A form of its own: while one is being sent, a browser may ignore what else is done with it, such as saving.
      const sent = document.createElement("form");
      Object.assign(sent, { method: "post", action: follow.formAction, target: follow.formTarget, hidden: true });
      sent.enctype = "multipart/form-data";
      // The preview brings the mail along, unless it is large: then the frame has it rendered from what is typed.
      const mail = document.getElementById("mail");
      const fields = mail ? [["csrf", form.elements.csrf.value], ["mail", mail.value]] : new FormData(form);
      for (const [name, value] of fields) {
        sent.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
      }
      document.body.append(sent);
      sent.submit();
      sent.remove();
    };
    follow.hidden = true;
    form.addEventListener("input", () => { unsaved = true; });
    form.addEventListener("submit", ({ submitter }) => { if (submitter !== follow) [unsaved, saving] = [false, true]; });
    addEventListener("pageshow", () => { saving = false; });
    addEventListener("beforeunload", (event) => { if (unsaved) event.preventDefault(); });
    document.addEventListener("htmx:after:swap", show);
    show();
  }

  // On a phone the row of sections is wider than the screen: the open one is in view.
  for (const entry of document.querySelectorAll(".sections a[aria-current]")) {
    const row = entry.parentElement;
    row.scrollLeft = entry.offsetLeft - row.offsetLeft - (row.clientWidth - entry.offsetWidth) / 2;
  }

  localize(document);
  for (const changed of ["htmx:after:swap", "overview:renewed"]) document.addEventListener(changed, () => localize(document));
})();
