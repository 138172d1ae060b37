// A demo server, real apps and a real browser: from the click to the patient's name on the screen. The sample app, and an app on the
// `fhirclient` library, which knows nothing of Vesta.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, open, serve } from "./browser.mjs";

const PASSWORD = "vesta demo 2026";

let browser, folder, vesta, home, issuer, fhir, app, clientId;

// Starts the demo on a port of its own; what it prints says where.
async function start() {
  folder = await mkdtemp(join(tmpdir(), "vesta-"));
  const listen = ["--listen", "127.0.0.1:0", "--http", "--data", folder];
  // A variable that begins with VESTA_ would be a setting of the server's.
  const env = { PATH: process.env.PATH, HOME: folder };
  vesta = spawn(process.env.VESTA_BINARY ?? "vesta", ["demo", ...listen], { env, stdio: ["ignore", "pipe", "inherit"] });
  return new Promise((resolve, reject) => {
    let printed = "";
    vesta.stdout.on("data", (piece) => {
      printed += piece;
      const found = /Start here\s+(http:\S+)\/\s/.exec(printed);
      if (found) resolve(found[1]);
    });
    vesta.on("exit", (status, signal) => reject(new Error(`the demo ended (${status ?? signal}): ${printed}`)));
  });
}

// The two pages of an app on fhirclient.
const page = (script) => `<!doctype html><title>An app</title><p id="said"></p><script src="/fhir-client.js"></script><script>${script}</script>`;
const scope = "openid fhirUser launch launch/patient patient/Patient.rs patient/Observation.rs";

async function files(request, url) {
  const html = (body) => ({ headers: { "content-type": "text/html; charset=utf-8" }, body });
  if (url.pathname === "/fhir-client.js") {
    const body = await readFile(new URL("./fhir-client.min.js", import.meta.url));
    return { headers: { "content-type": "text/javascript" }, body };
  }
  // Launched, it asks for `launch`; on its own, for `launch/patient`.
  if (url.pathname === "/launch.html") {
    const wanted = scope.replace(url.searchParams.has("launch") ? "launch/patient " : "launch ", "");
    return html(page(`FHIR.oauth2.authorize({ clientId: "${clientId}", scope: "${wanted}", redirectUri: "/index.html" })`));
  }
  if (url.pathname === "/index.html") {
    return html(page(`FHIR.oauth2.ready().then(async (client) => {
      const patient = await client.patient.read();
      const observations = await client.patient.request("Observation?_count=5", { pageLimit: 1, flat: true });
      const user = await client.user.read();
      document.getElementById("said").textContent =
        [patient.name[0].given[0], patient.name[0].family, observations.length, user.resourceType].join(" ");
    }).catch((error) => { document.getElementById("said").textContent = String(error); })`));
  }
  return null;
}

before(async () => {
  home = await start();
  [issuer, fhir] = [`${home}/oauth2/default`, `${home}/apis/default/fhir`];
  app = await serve(folder, {}, files);
  const registration = await fetch(`${issuer}/registration`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      client_name: "An app on fhirclient",
      token_endpoint_auth_method: "none",
      redirect_uris: [`${app.url}/index.html`],
      initiate_login_uri: `${app.url}/launch.html`,
      scope,
    }),
  });
  assert.equal(registration.status, 201);
  clientId = (await registration.json()).client_id;
  browser = await launch();
});

after(async () => {
  await browser?.close();
  app?.close();
  vesta?.kill("SIGTERM");
  await rm(folder, { recursive: true, force: true });
});

async function visit(work) {
  const page = await open(browser);
  try {
    await work(page);
  } finally {
    await page.close();
  }
}

async function signIn(page, user) {
  await page.fill("[name=username]", user);
  await page.fill("[name=password]", PASSWORD);
  await page.click("button.primary");
}

const said = (page) => page.locator("#said").filter({ hasText: /\w/ }).innerText();

// An administrator lets the app that asks for `launch` be used.
test("an administrator approves an app", () => visit(async (page) => {
  await page.goto(`${issuer}/clients/${clientId}`);
  await signIn(page, "admin");
  await page.goto(`${issuer}/clients/${clientId}`);
  await page.click("button[value=approve]");
  await page.getByText("Enabled", { exact: true }).first().waitFor();
}));

test("from the start page through the sample app to the chart", () => visit(async (page) => {
  await page.goto(`${home}/`);
  await page.click("a[href*=sample-app]");
  await page.click("button, a.button");
  await signIn(page, "amelia");
  await page.click("button[value=allow]");
  await page.getByRole("heading", { name: /Amelia.*Ortega/ }).waitFor();
  await page.getByText("Diabetes mellitus type 2").first().waitFor();
}));

test("an app on fhirclient stands alone", () => visit(async (page) => {
  await page.goto(`${app.url}/launch.html?iss=${encodeURIComponent(fhir)}`);
  await signIn(page, "amelia");
  await page.click("button[value=allow]");
  assert.match(await said(page), /^Amelia Ortega \d+ Patient$/);
}));

test("a doctor launches an app on fhirclient for a patient", () => visit(async (page) => {
  await page.goto(`${issuer}/launcher`);
  await signIn(page, "okafor");
  await page.fill("[name=name]", "amelia");
  await page.click("form[role=search] button");
  await page.locator("tr", { hasText: "Amelia Rosa Ortega" }).locator("button[name=patient]").click();
  await page.locator("li", { hasText: "An app on fhirclient" }).locator("button[name=app]").click();
  await page.click("button[value=allow]");
  assert.match(await said(page), /^Amelia Ortega \d+ Practitioner$/);
}));

test("what is not granted is not shown, and what is taken back is gone", () => visit(async (page) => {
  await page.goto(`${app.url}/launch.html?iss=${encodeURIComponent(fhir)}`);
  await signIn(page, "amelia");
  await page.uncheck("input[value='patient/Observation.rs']");
  await page.click("button[value=allow]");
  assert.match(await said(page), /403|insufficient|Forbidden|scope/i);
  await page.goto(`${issuer}/apps`);
  const mine = page.locator("section", { hasText: "An app on fhirclient" }).first();
  await mine.locator("a.danger").click();
  await page.click("button.danger");
  await page.getByText("The app has no more access").waitFor();
}));
