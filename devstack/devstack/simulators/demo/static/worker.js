// Shows what Safari shows by itself: the message is Declarative Web Push. The open pages list it.
const tellPages = async (event, notification) => {
  const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  pages.forEach((page) => page.postMessage({ event, notification }));
};

const show = async ({ notification }) => {
  const { title, navigate, ...options } = notification;
  const data = { ...options.data, navigate, at: Date.now() };
  await self.registration.showNotification(title, { ...options, data });
  await tellPages("shown", { title, body: options.body, data });
};

const open = async ({ title, body, data }) => {
  const opened = self.clients.openWindow(new URL(data.navigate, self.registration.scope));
  await Promise.all([opened, tellPages("opened", { title, body, data })]);
};

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("push", (event) => event.waitUntil(show(event.data.json())));
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification));
});
