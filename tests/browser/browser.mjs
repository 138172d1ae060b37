// The browser that the tests drive, and a server for folders of files.

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { chromium } from "playwright-core";

// How long anything may take, in milliseconds: no test is of speed, and machines that test are slow at times.
export const PATIENCE = 180_000;

// `cargo xtask test` names the browser. Without a sandbox, since it runs as root in a container; it opens our pages only.
export function launch() {
  const executablePath = process.env.VESTA_CHROMIUM ?? "/usr/bin/chromium";
  return chromium.launch({ executablePath, args: ["--no-sandbox"], timeout: PATIENCE });
}

// A page that shares nothing with another.
export async function open(browser, options = {}) {
  const page = await browser.newPage(options);
  page.setDefaultTimeout(PATIENCE);
  return page;
}

// What `cargo run -p vesta-pages --example gallery` wrote.
export const gallery = process.env.VESTA_GALLERY ?? "gallery";

const types = { ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml" };

// Serves on a free port. `routes` answers what it knows; anything else is a file of the folder.
export async function serve(folder, headers, routes = () => null) {
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, "http://localhost");
    try {
      const answer = await routes(request, url);
      if (answer) {
        response.writeHead(answer.status ?? 200, answer.headers ?? { "content-type": "application/json" });
        response.end(answer.body ?? "");
        return;
      }
      const path = normalize(url.pathname);
      const body = await readFile(join(folder, path));
      response.writeHead(200, { "content-type": `${types[extname(path)]}; charset=utf-8`, ...headers });
      response.end(body);
    } catch (error) {
      response.writeHead(error.code === "ENOENT" ? 404 : 500).end(String(error));
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://localhost:${server.address().port}`, close: () => server.close() };
}

// The text of a request's body.
export async function text(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString("utf8");
}
