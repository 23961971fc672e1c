// Times in the reader's zone, and the list refreshed in place when something arrived. The message being read stays.
const MINUTES = { hour: "2-digit", minute: "2-digit", hour12: false };
const localise = () =>
  document.querySelectorAll("time[datetime]:not([title])").forEach((time) => {
    const at = new Date(time.dateTime);
    time.title = at.toString();
    if (time.className === "full") time.textContent = at.toLocaleString();
    else if (time.className === "clock") time.textContent = at.toLocaleTimeString([], MINUTES);
    else time.textContent = at.toLocaleTimeString();
  });

const newest = async () => {
  const answer = await fetch("/api/messages?limit=1");
  const { total, messages } = await answer.json();
  return `${total}/${messages[0]?.id}`;
};

const refresh = async () => {
  const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
  for (const part of ["#tabs", "#messages", "#summary"]) {
    document.querySelector(part)?.replaceWith(page.querySelector(part));
  }
  localise();
};

let seen;
const poll = async () => {
  try {
    const now = await newest();
    if (seen !== undefined && now !== seen) await refresh();
    seen = now;
  } catch {
    // The simulators are restarting; the next round asks again.
  }
  setTimeout(poll, 2000);
};

document.getElementById("clear").addEventListener("click", async () => {
  if (!confirm("Forget every message?")) return;
  await fetch("/api/messages", { method: "DELETE" });
  location.assign("/");
});

localise();
poll();
