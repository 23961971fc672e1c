// The README's five calls with openapi-fetch and the types that openapi-typescript made: `five_calls.js URL EMAIL PASSWORD`.
// tsc reads it before it runs: `same` fails where an answer is `any`, or another than the document says.

import createClient from "openapi-fetch";
import type { components, paths } from "./gateway.js";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Does nothing when it runs. Of an answer that is any, or of another type, it does not compile. */
function same<Expected>() {
  return <Given>(_value: Given, _proof: Same<Given, Expected>): void => {};
}

/** The data of a success; an error ends the program. */
function data<T>(answered: { data?: { data: T } | undefined; error?: unknown }): T {
  if (answered.data === undefined) throw new Error(JSON.stringify(answered.error));
  return answered.data.data;
}

const [baseUrl, email, password] = process.argv.slice(2) as [string, string, string];
const mark = crypto.randomUUID();
const client = createClient<paths>({ baseUrl });

const user = data(
  await client.POST("/api/v1/users", {
    body: {
      name: "Grace Hopper",
      email: `grace+${mark}@example.com`,
      password: "SecurePass123!",
      push_token: `fcm_token_${mark}`,
      preferences: { email: true, push: true },
    },
  }),
);
same<string>()(user.id, true);

const login = data(await client.POST("/api/v1/auth/login", { body: { email, password } }));
client.use({
  onRequest({ request }) {
    request.headers.set("Authorization", `Bearer ${login.access_token}`);
  },
});

const template = data(
  await client.POST("/api/v1/templates", {
    body: {
      code: `order_shipped_${mark}`,
      name: "Order shipped",
      language: "en",
      subject: "Your order {{ order.id }} is on its way",
      content: "<p>Hello {{ name }}</p>",
    },
  }),
);
same<string[]>()(template.variables, true);

const accepted = data(
  await client.POST("/api/v1/notifications", {
    body: {
      notification_type: "email",
      user_id: user.id,
      template_code: template.code,
      priority: 8,
      variables: { name: "Grace", order: { id: "A-7" } },
      request_id: mark,
    },
  }),
);
same<components["schemas"]["Status"]>()(accepted.status, true);

const path = { notification_id: accepted.notification_id };
const story = data(await client.GET("/api/v1/notifications/{notification_id}", { params: { path } }));
same<components["schemas"]["TimelineEntry"][]>()(story.timeline, true);
if (story.request_id !== mark) throw new Error(JSON.stringify(story));

const missing = await client.GET("/api/v1/notifications/{notification_id}", {
  params: { path: { notification_id: user.id } },
});
if (missing.error?.error !== "notification_not_found") throw new Error(JSON.stringify(missing.error));
same<false>()(missing.error.success, true);

console.log(JSON.stringify({ notification_id: accepted.notification_id }));
