const part = (id) => document.getElementById(id);
const ENDS = ["sent", "delivered", "failed", "suppressed", "cancelled", "expired", "unknown"];
const REFUSED = "This browser refuses notifications from this page. Allow them in the address bar or in the browser's settings.";
let configuration;
let credentials = {};
let registration;

class Explained extends Error {}

const say = (id, text, kind = "") => {
  part(id).textContent = text;
  part(id).className = `status ${kind}`;
};

// Runs a step and says how it ended, under the step.
const step = (id, work) => async (event) => {
  event?.preventDefault();
  say(id, "…");
  try {
    say(id, await work(), "good");
  } catch (error) {
    say(id, error instanceof Explained ? error.message : `${error.name}: ${error.message}`, "bad");
  }
};

const call = async (method, path, body) => {
  const headers = { "Content-Type": "application/json", ...credentials };
  let answer;
  try {
    answer = await fetch(`${configuration.gateway}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
  } catch {
    throw new Explained(`The gateway at ${configuration.gateway} cannot be reached, or its CORS_ORIGINS lacks ${location.origin}.`);
  }
  const { success, message, error, data } = await answer.json();
  if (answer.status === 401) throw new Explained(`${message}. Sign in again.`);
  if (!success) throw new Explained(`${message} (${error})`);
  return data;
};

// 1. Who sends

const signIn = async () => {
  const { email, password, key } = Object.fromEntries(new FormData(part("sender")));
  credentials = {};
  if (!key) {
    const { access_token } = await call("POST", "/auth/login", { email, password });
    credentials = { Authorization: `Bearer ${access_token}` };
  } else {
    credentials = { "X-API-Key": key };
  }
  const users = await call("GET", "/users?limit=100");
  const select = part("recipient").user;
  select.replaceChildren(...users.map(({ id, name, email }) => new Option(email ? `${name} (${email})` : name, id)));
  const demo = users.find((user) => user.email === "john@example.com");
  if (demo) select.value = demo.id;
  select.disabled = users.length === 0;
  enable();
  if (users.length === 0) throw new Explained("There is no user yet who could receive.");
  return key ? "The key is valid." : `Signed in as ${email}.`;
};

// 2. Who receives

const missing = () => {
  if (!window.isSecureContext) return `Browsers allow Web Push only on https and on this machine: open ${location.href.replace(location.hostname, "localhost")}`;
  if (!("serviceWorker" in navigator && "PushManager" in window && "Notification" in window)) {
    return "This browser has no Web Push. In Firefox, private windows have none.";
  }
  return Notification.permission === "denied" ? REFUSED : "";
};

const subscribe = async () => {
  if ((await Notification.requestPermission()) !== "granted") throw new Explained(REFUSED);
  const { public_key } = await call("GET", "/push/vapid-key");
  const old = await current();
  if (old && !(ofThisPushService(old) && keyOf(old) === public_key)) await old.unsubscribe();
  const subscription = await subscribed(public_key);
  if (!ofThisPushService(subscription)) {
    await subscription.unsubscribe();
    throw new Explained(`This browser uses the push service ${new URL(subscription.endpoint).host}, not the simulated one. ${howTo()}`);
  }
  await call("POST", `/users/${part("recipient").user.value}/push-tokens`, { push_token: subscription });
  await enable();
  return `Subscribed, and registered as a device of the user: ${subscription.endpoint}`;
};

// Without a push service there is none: Firefox rejects the question then.
const current = () => registration.pushManager.getSubscription().catch(() => null);

const ofThisPushService = ({ endpoint }) => endpoint.startsWith(configuration.push_service);

const keyOf = ({ options }) => {
  const text = btoa(String.fromCharCode(...new Uint8Array(options.applicationServerKey)));
  return text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
};

const subscribed = async (applicationServerKey) => {
  try {
    return await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey });
  } catch (error) {
    throw new Explained(`This browser could not subscribe (${error.name}: ${error.message.replace(/\.$/, "")}). ${howTo()}`);
  }
};

const howTo = () => {
  part("help").open = true;
  return navigator.userAgent.includes("Firefox/")
    ? "Point Firefox at the simulated push service: see “Use your own Firefox” below."
    : "Only Firefox can use the simulated push service: see below.";
};

const unsubscribe = async () => {
  await (await current())?.unsubscribe();
  await enable();
  return "Unsubscribed. With the next notification the push service answers 410, and the system forgets this device.";
};

// 3. What is sent

const send = async () => {
  const { name, link } = Object.fromEntries(new FormData(part("message")));
  const accepted = await call("POST", "/notifications", {
    notification_type: "push",
    user_id: part("recipient").user.value,
    template_code: "welcome_email",
    variables: { name, link },
    request_id: `demo-${crypto.randomUUID()}`,
  });
  let notification = accepted;
  for (let tries = 0; !ENDS.includes(notification.status) && tries < 60; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 250));
    notification = await call("GET", `/notifications/${accepted.notification_id}`);
  }
  const { status, error } = notification;
  if (status !== "sent" && status !== "delivered") throw new Explained(`The notification is ${status}${error ? `: ${error}` : ""}.`);
  return `Accepted, and ${status}.`;
};

// What arrived

const listed = (id) => document.querySelector(`#arrived li[data-id="${CSS.escape(id)}"]`);

const made = (name, className, ...children) => {
  const element = document.createElement(name);
  element.className = className;
  element.append(...children);
  return element;
};

const list = ({ title, body, data }) => {
  if (listed(data.notification_id)) return;
  const link = made("a", "", data.navigate);
  link.href = data.navigate;
  const head = made("div", "app", made("span", "dot"), "Browser", made("time", "", new Date(data.at).toLocaleTimeString()));
  const item = made("li", "notification", head, made("strong", "", title), made("p", "", body ?? ""), made("p", "click", "A click opens ", link));
  item.dataset.id = data.notification_id;
  part("arrived").prepend(item);
  part("nothing").hidden = true;
};

const enable = async () => {
  const able = registration && part("recipient").user.value;
  part("subscribe").disabled = !able;
  part("unsubscribe").disabled = !(registration && (await current()));
  part("send").disabled = !part("recipient").user.value;
};

const start = async () => {
  configuration = await (await fetch("configuration.json")).json();
  part("server-url").textContent = configuration.push_service.replace(/^http/, "ws");
  part("sender").email.value = configuration.email;
  part("sender").password.value = configuration.password;
  part("message").link.value = `${location.origin}/?kind=push`;
  part("sender").addEventListener("submit", step("sender-status", signIn));
  part("recipient").addEventListener("submit", step("recipient-status", subscribe));
  part("unsubscribe").addEventListener("click", step("recipient-status", unsubscribe));
  part("message").addEventListener("submit", step("message-status", send));
  await step("browser", prepare)();
  if (configuration.email) await step("sender-status", signIn)();
};

const prepare = async () => {
  const problem = missing();
  if (problem) throw new Explained(problem);
  navigator.serviceWorker.addEventListener("message", ({ data }) => {
    list(data.notification);
    if (data.event === "opened") listed(data.notification.data.notification_id).classList.add("opened");
  });
  await navigator.serviceWorker.register("worker.js");
  registration = await navigator.serviceWorker.ready;
  const shown = await registration.getNotifications();
  shown.toSorted((one, other) => one.data.at - other.data.at).forEach(list);
  await enable();
  return "This browser has service workers and Web Push.";
};

start();
