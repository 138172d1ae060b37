// The sample app against a made-up SMART server that is as strict as a real one: standalone and EHR launch, a denial,
// an answer of another server, and a record of which a part is not shared.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import axe from "axe-core";
import { gallery, launch, open, serve, text } from "./browser.mjs";

let browser;
let ehr;
let app;
// How the made-up server behaves in a test, and what it was asked.
let behaviour;
let asked;

const observation = (code, category, display, rest) => ({
  resource: { resourceType: "Observation", status: "final", category: [{ coding: [{ code: category }] }], code: { coding: [{ code, display }] }, ...rest },
});

const records = {
  "Patient/maria": { resourceType: "Patient", id: "maria", name: [{ use: "official", given: ["Maria"], family: "Alvarez" }], birthDate: "1979-05-04", gender: "female" },
  Condition: [{ resource: { resourceType: "Condition", code: { text: "<b>High blood pressure</b>" }, onsetDateTime: "2019-03" } }],
  MedicationRequest: [
    { resource: { resourceType: "MedicationRequest", status: "active", medicationReference: { reference: "Medication/m1" }, dosageInstruction: [{ text: "One tablet a day" }] } },
    { resource: { resourceType: "Medication", id: "m1", code: { coding: [{ display: "Lisinopril 10 MG Oral Tablet" }] } } },
  ],
  "vital-signs": [
    observation("85354-9", "vital-signs", "Blood pressure", {
      effectiveDateTime: "2026-11-27T09:40:00-05:00",
      component: [{ valueQuantity: { value: 128, unit: "mmHg" } }, { valueQuantity: { value: 82, unit: "mmHg" } }],
    }),
    observation("85354-9", "vital-signs", "Blood pressure", { effectiveDateTime: "2026-02-01", valueString: "an older one" }),
  ],
  laboratory: [observation("2345-7", "laboratory", "Glucose", { effectiveDateTime: "2026-11-27", valueQuantity: { value: 95, unit: "mg/dL" } })],
};

const cors = { "access-control-allow-origin": "*", "access-control-allow-headers": "authorization, content-type" };
const json = (body, status = 200) => ({ status, headers: { "content-type": "application/json", ...cors }, body: JSON.stringify(body) });

async function answer(request, url) {
  if (request.method === "OPTIONS") return { status: 204, headers: cors };
  if (url.pathname === "/fhir/.well-known/smart-configuration") {
    return json({
      issuer: ehr.url,
      authorization_endpoint: `${ehr.url}/authorize`,
      token_endpoint: `${ehr.url}/token`,
      code_challenge_methods_supported: ["S256"],
    });
  }
  if (url.pathname === "/authorize") {
    asked = url.searchParams;
    const back = new URL(asked.get("redirect_uri"));
    const parameters = behaviour.denied ? { error: "access_denied" } : { code: "one-time" };
    for (const [name, value] of Object.entries({ ...parameters, state: asked.get("state"), iss: behaviour.issuer ?? ehr.url })) {
      back.searchParams.set(name, value);
    }
    return { status: 303, headers: { location: back.href } };
  }
  if (url.pathname === "/token") {
    const sent = new URLSearchParams(await text(request));
    const challenge = createHash("sha256").update(sent.get("code_verifier")).digest("base64url");
    if (sent.get("code") !== "one-time" || challenge !== asked.get("code_challenge") || sent.get("redirect_uri") !== asked.get("redirect_uri")) {
      return json({ error: "invalid_grant" }, 400);
    }
    return json({ access_token: "secret", token_type: "Bearer", scope: asked.get("scope"), patient: "maria", need_patient_banner: behaviour.banner });
  }
  if (url.pathname.startsWith("/fhir/")) {
    if (request.headers.authorization !== "Bearer secret") return json({}, 401);
    const [type, id] = url.pathname.slice("/fhir/".length).split("/");
    if (behaviour.refused === type) return json({ resourceType: "OperationOutcome" }, 403);
    if (id) return json(records[`${type}/${id}`]);
    assert.equal(url.searchParams.get("patient"), "maria");
    const found = type === "Observation" ? records[url.searchParams.get("category")] : records[type];
    return json({ resourceType: "Bundle", entry: found });
  }
  return null;
}

before(async () => {
  browser = await launch();
  ehr = await serve(gallery, {}, answer);
  const policy = `default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src ${ehr.url}; base-uri 'none'; frame-ancestors 'none'`;
  const folder = join(gallery, "sample-app");
  const headers = { "content-security-policy": policy };
  app = await serve(folder, headers, async (_, url) => {
    if (url.pathname !== "/index.html") return null;
    // The page written for the gallery names a server of its own; here it is the made-up one.
    const page = await readFile(join(folder, "index.html"), "utf8");
    const body = page.replaceAll("https://records.example.org/apis/default/fhir", `${ehr.url}/fhir`);
    return { headers: { "content-type": "text/html; charset=utf-8", ...headers }, body };
  });
});

beforeEach(() => {
  behaviour = {};
  asked = null;
});

after(async () => {
  await browser?.close();
  ehr?.close();
  app?.close();
});

async function visit(path) {
  const page = await open(browser);
  page.on("console", (message) => {
    // What a browser says of an answer that is refused on purpose.
    if (!message.text().includes("403")) assert.fail(message.text());
  });
  await page.goto(`${app.url}/${path}`);
  return page;
}

async function connect() {
  const page = await visit("index.html");
  await page.getByRole("button", { name: "Connect to the record" }).click();
  return page;
}

test("a standalone launch leads to the chart", async () => {
  const page = await connect();
  await page.getByRole("heading", { level: 1, name: "Maria Alvarez" }).waitFor();
  assert.equal(asked.get("aud"), `${ehr.url}/fhir`);
  assert.equal(asked.get("code_challenge_method"), "S256");
  assert.match(asked.get("scope"), /^launch\/patient patient\/Patient\.rs /);
  assert.equal(new URL(page.url()).search, "", "the code is gone from the address");
  const chart = await page.locator("#chart").innerText();
  for (const words of ["Born May 4, 1979", "<b>High blood pressure</b>", "March 2019", "Lisinopril 10 MG Oral Tablet", "One tablet a day", "128 / 82 mmHg", "95 mg/dL"]) {
    assert.ok(chart.includes(words), `${words} in: ${chart}`);
  }
  assert.ok(!chart.includes("an older one"), "the latest of each code only");
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  assert.deepEqual(violations.map((one) => `${one.id}: ${one.nodes[0].html}`), []);
  await page.close();
});

test("an EHR launch hands its launch on, and the app leaves the banner to the EHR", async () => {
  behaviour = { banner: false };
  const page = await visit(`launch.html?iss=${encodeURIComponent(`${ehr.url}/fhir`)}&launch=opaque`);
  await page.locator("#banner.slim").waitFor();
  assert.equal(asked.get("launch"), "opaque");
  assert.match(asked.get("scope"), /^launch patient\//);
  await page.close();
});

test("a denial is said in words, and one can start again", async () => {
  behaviour = { denied: true };
  const page = await connect();
  await page.getByText("You did not allow it").waitFor();
  assert.ok(await page.getByRole("button", { name: "Connect to the record" }).isVisible());
  await page.close();
});

test("an answer of another server is not believed", async () => {
  behaviour = { issuer: "https://attacker.example" };
  const page = await connect();
  await page.getByText("The answer comes from another server.").waitFor();
  await page.close();
});

test("an answer that was not asked for is not believed", async () => {
  const page = await visit("index.html?code=stolen&state=guessed");
  await page.getByText("belongs to no request of this window").waitFor();
  await page.close();
});

test("what is not shared is said to be so, and the rest is shown", async () => {
  behaviour = { refused: "Condition" };
  const page = await connect();
  await page.getByText("Not shared with this app.").waitFor();
  await page.getByText("95 mg/dL").waitFor();
  await page.close();
});
