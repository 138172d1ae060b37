// A SMART app in standard calls: discovery, authorization with PKCE, token, reads and searches.
// https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html

const scopes = [
  "patient/Patient.rs",
  "patient/Condition.rs",
  "patient/MedicationRequest.rs",
  "patient/Medication.rs",
  "patient/Observation.rs",
];

const element = (id) => document.getElementById(id);
const clientId = document.body.dataset.clientId;
const redirectUri = new URL("index.html", location.href).href;

// What was begun before the browser went to the server, by `state`. It ends with the window.
const pending = {
  put: (state, value) => sessionStorage.setItem(`smart-${state}`, JSON.stringify(value)),
  take(state) {
    const value = sessionStorage.getItem(`smart-${state}`);
    sessionStorage.removeItem(`smart-${state}`);
    return value && JSON.parse(value);
  },
};

function say(text) {
  element("status").textContent = text;
  element("status").hidden = !text;
}

function fail(error) {
  say("");
  element("problem").querySelector("p").textContent = error.message;
  element("problem").hidden = false;
  if (element("start")) element("start").hidden = false;
}

const base64url = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

async function json(url, options, what) {
  let response;
  try {
    response = await fetch(url, options);
  } catch {
    throw new Error(`${what}: the server at ${new URL(url).host} cannot be reached.`);
  }
  const body = await response.json().catch(() => null);
  if (!response.ok) {
    const issue = body?.issue?.[0];
    const reason = body?.error_description ?? body?.error ?? issue?.diagnostics ?? issue?.details?.text;
    throw Object.assign(new Error(`${what}: ${reason ?? `status ${response.status}`}`), { status: response.status });
  }
  return body;
}

// Sends the browser to the server, where the person signs in and decides.
async function authorize(fhirBase, launch) {
  if (!crypto.subtle) throw new Error("Open this app over https, or on localhost: PKCE needs a secure context.");
  say("Asking the server where to sign in …");
  const base = fhirBase.replace(/\/$/, "");
  const smart = await json(`${base}/.well-known/smart-configuration`, {}, "Discovery");
  if (!smart.code_challenge_methods_supported?.includes("S256")) throw new Error("This server does not support PKCE with S256.");
  const state = random();
  const verifier = random();
  const challenge = base64url(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier)));
  pending.put(state, { base, verifier, issuer: smart.issuer, token: smart.token_endpoint });
  const url = new URL(smart.authorization_endpoint);
  if (!["https:", "http:"].includes(url.protocol)) throw new Error("The server names no page to sign in at.");
  const asked = {
    response_type: "code",
    client_id: clientId,
    redirect_uri: redirectUri,
    scope: [launch ? "launch" : "launch/patient", ...scopes].join(" "),
    state,
    aud: base,
    code_challenge: challenge,
    code_challenge_method: "S256",
    ...(launch && { launch }),
  };
  for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
  location.assign(url);
}

// The browser is back: the code becomes a token, which is kept in this window's memory only.
async function comeBack(query) {
  history.replaceState(null, "", location.pathname);
  const begun = pending.take(query.get("state"));
  if (!begun) throw new Error("This answer belongs to no request of this window. Start again.");
  // https://www.rfc-editor.org/rfc/rfc9207#section-2.4: another server's answer is not believed.
  if (query.has("iss") && begun.issuer && query.get("iss") !== begun.issuer) throw new Error("The answer comes from another server.");
  if (query.has("error")) {
    const denied = query.get("error") === "access_denied";
    throw new Error(denied ? "You did not allow it, so there is nothing to show." : `The server said: ${query.get("error_description") ?? query.get("error")}`);
  }
  say("Getting the token …");
  const token = await json(
    begun.token,
    {
      method: "POST",
      body: new URLSearchParams({
        grant_type: "authorization_code",
        code: query.get("code"),
        redirect_uri: redirectUri,
        client_id: clientId,
        code_verifier: begun.verifier,
      }),
    },
    "Token",
  );
  if (!token.patient) throw new Error("The server named no patient.");
  await showChart(begun.base, token);
}

async function showChart(base, token) {
  say("Reading the record …");
  const headers = { Authorization: `Bearer ${token.access_token}`, Accept: "application/fhir+json" };
  const read = (path) => json(`${base}/${path}`, { headers }, path.split("?")[0]);
  const search = async (type, parameters) => {
    const bundle = await read(`${type}?${new URLSearchParams({ patient: token.patient, ...parameters })}`);
    return (bundle.entry ?? []).map((entry) => entry.resource);
  };
  // Medicines may stand in records of their own; they come along where that was allowed.
  const include = token.scope?.includes("/Medication.") ? { _include: "MedicationRequest:medication" } : {};

  const section = async (id, find, row, none) => {
    let rows;
    try {
      rows = (await find()).map(row);
    } catch (error) {
      element(id).replaceChildren(paragraph(error.status === 403 ? "Not shared with this app." : error.message));
      return;
    }
    element(id).replaceChildren(rows.length ? list(rows) : paragraph(none));
  };
  await Promise.all([
    read(`Patient/${encodeURIComponent(token.patient)}`).then((patient) => banner(patient, token), (error) =>
      banner({ name: [{ text: error.status === 403 ? "Name not shared" : error.message }] }, token)),
    section("problems", () => search("Condition", { category: "problem-list-item" }), problem, "No problems on record."),
    section("medicines", async () => {
      const found = await search("MedicationRequest", { ...include });
      const named = new Map(found.filter((one) => one.resourceType === "Medication").map((one) => [`Medication/${one.id}`, one]));
      return found.filter((one) => one.resourceType === "MedicationRequest").map((one) => ({ ...one, named }));
    }, medicine, "No medicines on record."),
    section("vitals", async () => latest(await search("Observation", { category: "vital-signs", _sort: "-date", _count: "100" })), measured, "No vital signs on record."),
    section("labs", async () => latest(await search("Observation", { category: "laboratory", _sort: "-date", _count: "100" })), measured, "No lab results on record."),
  ]);
  say("");
  element("chart").hidden = false;
  element("banner").querySelector("h1").focus();
}

function banner(patient, token) {
  const name = patient.name?.find((one) => one.use === "official") ?? patient.name?.[0];
  const text = name?.text ?? [...(name?.given ?? []), name?.family].filter(Boolean).join(" ");
  const number = patient.identifier?.[0]?.value;
  const heading = element("banner").querySelector("h1");
  heading.textContent = text || "Patient";
  heading.tabIndex = -1;
  element("banner").querySelector("p").textContent = [
    patient.birthDate && `Born ${day(patient.birthDate)}`,
    patient.gender,
    number && `No. ${number}`,
  ].filter(Boolean).join(" · ");
  // Inside an EHR that shows the patient itself, the server says so.
  element("banner").classList.toggle("slim", token.need_patient_banner === false);
}

const concept = (value) => value?.text ?? value?.coding?.find((coding) => coding.display)?.display ?? value?.coding?.[0]?.code ?? "";

function problem(condition) {
  return [concept(condition.code), "", [
    concept(condition.clinicalStatus),
    condition.onsetDateTime && `since ${day(condition.onsetDateTime)}`,
  ].filter(Boolean).join(", ")];
}

function medicine(request) {
  const reference = request.medicationReference;
  const own = request.contained?.find((one) => `#${one.id}` === reference?.reference);
  const record = own ?? request.named.get(reference?.reference?.split("/").slice(-2).join("/"));
  const name = concept(request.medicationCodeableConcept) || concept(record?.code) || reference?.display || "Medicine";
  return [name, request.dosageInstruction?.[0]?.text ?? "", [request.status, request.authoredOn && day(request.authoredOn)].filter(Boolean).join(", ")];
}

function value(one) {
  if (one.valueQuantity) return [one.valueQuantity.value, one.valueQuantity.unit ?? one.valueQuantity.code].filter((part) => part !== undefined).join(" ");
  if (one.valueCodeableConcept) return concept(one.valueCodeableConcept);
  return one.valueString ?? one.valueInteger?.toString() ?? one.valueDateTime ?? concept(one.dataAbsentReason);
}

function measured(observation) {
  const parts = observation.component ?? [];
  const quantities = parts.map((part) => part.valueQuantity);
  const alike = parts.length > 1 && quantities.every((one) => one && one.unit === quantities[0].unit);
  const text = value(observation) || (alike
    ? `${quantities.map((one) => one.value).join(" / ")} ${quantities[0].unit ?? ""}`
    : parts.map((part) => `${concept(part.code)}: ${value(part)}`).join(", "));
  const range = observation.referenceRange?.[0]?.text;
  return [concept(observation.code), text, [day(observation.effectiveDateTime ?? observation.effectivePeriod?.start ?? ""), range && `usual: ${range}`].filter(Boolean).join(", ")];
}

// They come newest first: the first of each code is the latest.
function latest(observations) {
  const seen = new Set();
  return observations.filter((one) => {
    const code = one.code?.coding?.[0]?.code ?? concept(one.code);
    return !seen.has(code) && seen.add(code);
  }).slice(0, 12);
}

function day(text) {
  if (!text) return "";
  const parts = text.slice(0, 10).split("-").map(Number);
  const options = [{ year: "numeric" }, { year: "numeric", month: "long" }, { dateStyle: "long" }][parts.length - 1];
  return new Intl.DateTimeFormat("en-US", { ...options, timeZone: "UTC" }).format(Date.UTC(parts[0], (parts[1] ?? 1) - 1, parts[2] ?? 1));
}

function paragraph(text) {
  const made = document.createElement("p");
  made.className = "muted";
  made.textContent = text;
  return made;
}

function list(rows) {
  const made = document.createElement("ul");
  for (const texts of rows) {
    const row = document.createElement("li");
    for (const [place, text] of texts.entries()) {
      const part = document.createElement("span");
      part.className = ["what", "value", "when"][place];
      part.textContent = text;
      if (text) row.append(part, " ");
    }
    made.append(row);
  }
  return made;
}

const query = new URLSearchParams(location.search);
if (query.has("iss") && query.has("launch")) {
  authorize(query.get("iss"), query.get("launch")).catch(fail);
} else if (query.has("state")) {
  comeBack(query).catch(fail);
} else if (element("start")) {
  element("start").hidden = false;
  element("connect").addEventListener("click", () => authorize(document.body.dataset.fhirBase).catch(fail));
} else {
  fail(new Error("This page is opened by an EHR, with iss and launch."));
}
