// Prints e-mail templates of other projects as JSON: `content` is what an author would save here, `html` what the project's own
// tools make of it for the same values.
const fs = require("node:fs");
const path = require("node:path");

const Handlebars = require("handlebars");
const { Inky } = require("inky");
const Mailgen = require("mailgen");
const mjml = require("mjml");
const transactional = require("transactional-email-templates");

const MODULES = process.env.NODE_PATH;
const VALUES = JSON.parse(process.argv[2]);
const read = (...names) => fs.readFileSync(path.join(MODULES, ...names), "utf8");
const filesOf = (...names) => fs.readdirSync(path.join(MODULES, ...names)).sort();
const document = (body) => `<!DOCTYPE html><html><head><meta charset="utf-8"></head><body>${body}</body></html>`;

// In Inky, with a person's name in it.
function foundation() {
  return filesOf("foundation-emails", "templates").map((file) => {
    const html = document(new Inky().releaseTheKraken(read("foundation-emails", "templates", file)));
    return { name: `foundation ${file}`, content: html.replaceAll(VALUES.person, "{{ person }}"), html };
  });
}

// Themes, filled with what the project's README shows: a table, a button.
function mailgen() {
  return ["cerberus", "default", "neopolitan", "salted"].map((theme) => {
    const product = { name: "Example", link: "https://example.com/", copyright: "Example Ltd." };
    const table = { data: [{ item: "Node.js", price: "$10.99" }, { item: "Mailgen & co", price: "$1.99" }] };
    const button = { color: "#22BC66", text: "Confirm", link: "https://example.com/confirm?s=d9729feb" };
    const body = { name: VALUES.person, intro: "Welcome!", table, action: { instructions: "Click here:", button } };
    const html = new Mailgen({ theme, product }).generate({ body });
    return { name: `mailgen ${theme}`, content: html.replaceAll(VALUES.person, "{{ person }}"), html };
  });
}

function responsive() {
  return ["email.html", "email-inlined.html"].map((file) => {
    const html = read("responsive-html-email-template", file);
    return { name: `responsive ${file}`, content: html, html };
  });
}

// Mailgun's three, with what fills each of their places.
function mailgun() {
  const common = {
    title: "Order A-17", headline: "Thanks & see you", alert: "Pay by <Friday>", bodyElements: [VALUES.person, "Second"],
    link: "https://example.com/pay?order=A-17&step=2", linkCTA: "Pay now", byline: "The shop", footerText: "Questions? ",
    footerLink: "https://example.com/help", footerLinkText: "Ask us", unsubscribeLink: "https://example.com/leave?u=1&v=2",
    addressElements: [VALUES.person, "1 Main St"], lineItems: [{ title: "Pen & ink", amount: "10.50" }],
    currency: "€", totalTitle: "Total", totalCost: "10.50",
  };
  return Object.entries(transactional).map(([kind, fill]) => {
    const html = fill(common);
    return { name: `mailgun ${kind}`, content: html.replaceAll(VALUES.person, "{{ person }}"), html };
  });
}

// MJML in Handlebars. What is a variable there is one here; loops and helpers are filled beforehand.
async function vendure() {
  const folder = ["@vendure", "email-plugin", "templates"];
  for (const partial of ["header", "footer"]) {
    Handlebars.registerPartial(partial, read(...folder, "partials", `${partial}.hbs`));
  }
  Handlebars.registerHelper("formatDate", () => "2026-11-28");
  Handlebars.registerHelper("formatMoney", (amount, currency) => `${(amount / 100).toFixed(2)} ${currency}`);
  const names = filesOf(...folder).filter((name) => name !== "partials");
  const single = Object.keys(VALUES).filter((key) => typeof VALUES[key] === "string");
  const variables = Object.fromEntries(single.map((key) => [key, new Handlebars.SafeString(`{{ ${key} }}`)]));
  return Promise.all(
    names.map(async (name) => {
      const fill = Handlebars.compile(read(...folder, name, "body.hbs"));
      const { html } = await mjml(fill(VALUES));
      return { name: `vendure ${name}`, content: fill({ ...VALUES, ...variables }), html };
    }),
  );
}

vendure().then((last) => console.log(JSON.stringify([...foundation(), ...mailgen(), ...responsive(), ...mailgun(), ...last])));
