// Every page of the gallery in a browser, under the policy that it is served with: what axe finds, whether anything is
// cut off on a phone or at twice the size, and whether forms work without JavaScript and by the keyboard.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { after, before, test } from "node:test";
import axe from "axe-core";
import { gallery, launch, open, serve, text } from "./browser.mjs";

const policy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const names = readdirSync(gallery).filter((name) => name.endsWith(".html"));
// Dark pages differ in their colours only.
const rules = (colorScheme) => (colorScheme === "dark" ? ["color-contrast"] : standards);
const standards = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

let browser;
let site;
let sent = null;

before(async () => {
  browser = await launch();
  site = await serve(gallery, { "content-security-policy": policy }, async (request) => {
    if (request.method !== "POST") return null;
    sent = new URLSearchParams(await text(request));
    return { headers: { "content-type": "text/html" }, body: "<!DOCTYPE html><title>sent</title>" };
  });
});

after(async () => {
  await browser?.close();
  site?.close();
});

test("the gallery is there", () => assert.ok(names.length > 40, `${names.length} pages`));

// 320 pixels are what WCAG 2.2, 1.4.10 asks for, which is also 1280 at 400 %.
for (const colorScheme of ["light", "dark"]) {
  for (const width of [1280, 320]) {
    test(`axe finds nothing: ${colorScheme}, ${width} pixels wide`, async () => {
      const page = await open(browser, { viewport: { width, height: 900 }, colorScheme, reducedMotion: "reduce" });
      const wanted = rules(colorScheme);
      const complaints = [];
      page.on("console", (message) => complaints.push(`${page.url()}: ${message.text()}`));
      for (const name of names) {
        await page.goto(`${site.url}/${name}`);
        await page.evaluate(axe.source);
        const { violations } = await page.evaluate((values) => globalThis.axe.run({ runOnly: values }), wanted);
        for (const violation of violations) {
          complaints.push(`${name}: ${violation.id}: ${violation.nodes.map((node) => `${node.html} ${node.failureSummary}`).join("; ")}`);
        }
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (wide > 0) complaints.push(`${name}: ${wide} pixels are cut off`);
      }
      await page.close();
      assert.deepEqual(complaints, []);
    });
  }
}

test("nothing is cut off where the text is twice as large", async () => {
  const page = await open(browser, { viewport: { width: 640, height: 900 } });
  const complaints = [];
  for (const name of names) {
    await page.goto(`${site.url}/${name}`);
    await page.evaluate(() => document.documentElement.style.setProperty("font-size", "200%"));
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 0) complaints.push(`${name}: ${wide} pixels are cut off`);
  }
  await page.close();
  assert.deepEqual(complaints, []);
});

test("without JavaScript and by keyboard alone, a person narrows a scope and allows the rest", async () => {
  const page = await open(browser, { javaScriptEnabled: false });
  await page.goto(`${site.url}/consent.html`);
  const laboratory = page.locator("[value$='observation-category|laboratory']");
  assert.equal(await laboratory.isVisible(), false, "parts are hidden while the whole is on");

  await page.keyboard.press("Tab");
  assert.equal(await page.locator(".skip").evaluate((link) => link.getBoundingClientRect().left >= 0), true, "the skip link is seen");
  const whole = page.locator("[value='patient/Observation.rs']");
  for (let steps = 0; steps < 60 && !(await whole.evaluate((box) => box === document.activeElement)); steps += 1) {
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("Space");
  assert.equal(await laboratory.isVisible(), true, "parts appear when the whole is off");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Space");
  assert.equal(await laboratory.isChecked(), true, "the next stop is the first part");
  const allow = page.locator("[value=allow]");
  await allow.focus();
  await page.keyboard.press("Enter");
  await page.waitForURL(`${site.url}/consent`);

  assert.equal(sent.get("decision"), "allow");
  assert.equal(sent.get("csrf"), "c0ffee");
  const scopes = sent.getAll("scope");
  assert.ok(!scopes.includes("patient/Observation.rs"));
  assert.deepEqual(
    scopes.filter((scope) => scope.startsWith("patient/Observation")),
    ["patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory"],
  );
  assert.ok(scopes.includes("offline_access") && scopes.includes("openid"));
  await page.close();
});

test("a mistake leads to its field", async () => {
  const page = await open(browser);
  await page.goto(`${site.url}/login-mistakes.html`);
  await page.getByRole("link", { name: "Enter your password" }).click();
  assert.equal(await page.evaluate(() => document.activeElement.id), "password");
  await page.close();
});
