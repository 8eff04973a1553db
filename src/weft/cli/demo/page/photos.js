// Sends what is dropped, photo by photo, until the server has each; and shows what the server says has become of them.
import * as outbox from "./outbox.js";

const AT_ONCE = 3; // photos that are sent at the same time
const AGAIN = 1000; // ms before what has failed is tried again
const SOON = 250, LATER = 2000; // ms between looks at the server: while photos are under way, and when all is done
const QUIET = 4000; // ms between two announcements to a screen reader
const FINAL = new Set(["completed", "discarded", "cancelled"]);
const WORDS = {
  unsent: "to be sent", sending: "being sent", refused: "refused", scheduled: "waiting", available: "waiting",
  running: "being made small", retryable: "failed, tried again soon", completed: "done", discarded: "failed", cancelled: "cancelled",
};

const find = (id) => document.getElementById(id);
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const unsent = new Map(); // id -> what the server does not have: {id, name, before, state, error}
const photos = new Map(); // uid -> what it has
const rows = new Map(); // id or uid -> the row that shows it
let answers = true; // whether the server does

function size(bytes) {
  if (bytes === null) return "";
  const [divisor, unit] = bytes < 1e3 ? [1, "B"] : bytes < 999_500 ? [1e3, "kB"] : [1e6, "MB"];
  const value = bytes / divisor;
  return `${value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 1 : 0 })}\u00a0${unit}`; // on one line
}

// -- sending

async function take(files) {
  const batch = Date.now().toString(36);
  await Promise.all([...files].map(async (file, index) => {
    const random = crypto.getRandomValues(new Uint32Array(2)).join("");
    const entry = { id: `${batch}-${String(index).padStart(5, "0")}-${random}`, name: file.name, size: file.size, file };
    const readable = await file.slice(0, 1).arrayBuffer().catch(() => null);
    if (!readable) Object.assign(entry, { file: null, problem: "it cannot be read" }); // a folder, perhaps
    await outbox.put(entry);
    note(entry);
  }));
  draw();
  send();
}

function note({ id, name, size: before, problem }, state = problem ? "refused" : "unsent") {
  unsent.set(id, { id, name, before, after: null, state, kills: 0, error: problem ?? null });
}

let sending = false;
async function send() {
  if (sending) return; // whoever sends looks again before it ends
  sending = true;
  await alone(async () => {
    for (let left = await toSend(); left.length; left = await toSend()) {
      const next = left.values();
      await Promise.all(Array.from({ length: AT_ONCE }, async () => {
        for (const entry of next) await sendOne(entry);
      }));
    }
    sending = false;
  });
}

const toSend = async () => (await outbox.all()).filter((entry) => !entry.problem);

// Of several windows with this page, one sends. (Browsers have locks where the page is local, or comes by HTTPS.)
const alone = (act) => (navigator.locks ? navigator.locks.request("weft-demo-photos", act) : act());

async function sendOne(entry) {
  note(entry, "sending");
  draw();
  const form = new FormData();
  form.append("id", entry.id); // by which the server knows what it has got already
  form.append("photo", entry.file, entry.name);
  try {
    const answer = await fetch("photos/add", { method: "POST", body: form });
    const told = await answer.json().catch(() => ({}));
    if (answer.ok) {
      await outbox.remove(entry.id);
      unsent.delete(entry.id);
      photos.set(told.uid, told);
    } else if (answer.status < 500 && ![408, 429].includes(answer.status)) {
      const refused = { ...entry, file: null, problem: told.detail ?? `refused with ${answer.status}` };
      await outbox.put(refused);
      note(refused);
    } else throw new Error(told.detail);
  } catch {
    note(entry);
    await pause(AGAIN);
  }
  draw();
  lookSoon();
}

// -- looking

let timer, latest = 0;
const lookSoon = () => { clearTimeout(timer); timer = setTimeout(look, SOON); };

async function look() {
  clearTimeout(timer);
  const mine = ++latest;
  try {
    const answer = await fetch("photos/list");
    if (!answer.ok) throw new Error();
    const told = await answer.json();
    if (mine === latest) show(told);
    answers = true;
  } catch {
    answers = false;
  }
  draw();
  const busy = !answers || unsent.size || [...photos.values()].some(underWay);
  if (mine === latest) timer = setTimeout(look, busy ? SOON : LATER);
}

function show({ photos: told, worker, missing }) {
  photos.clear();
  for (const photo of told) photos.set(photo.uid, photo);
  find("missing").textContent = missing;
  find("missing").hidden = !missing;
  find("files").disabled = Boolean(missing);
  find("worker").hidden = !worker;
  if (!worker) return;
  const kills = worker.kills === 0 ? "" : `, killed ${worker.kills === 1 ? "once" : `${worker.kills} times`} so far`;
  const words = (worker.pid === null ? "starting again" : `process ${worker.pid}`) + kills;
  if (find("worker-state").textContent !== words) find("worker-state").textContent = words; // which is read out
}

const underWay = (photo) => !FINAL.has(photo.state);

async function act(name) {
  latest++; // an answer that is on its way knows nothing of this
  const answer = await fetch(`photos/do/${name}`, { method: "POST" }).catch(() => null);
  if (answer?.ok) show(await answer.json());
  draw();
  lookSoon();
}

// -- drawing

function draw() {
  const server = [...photos.values()], here = [...unsent.values()].sort((one, other) => (one.id < other.id ? -1 : 1));
  const all = [...server, ...here];
  drawRows(all);
  const done = server.filter((photo) => photo.state === "completed"), lost = all.filter((photo) => ["discarded", "refused"].includes(photo.state));
  bar("sent", server.length, all.filter((photo) => photo.state !== "refused").length);
  bar("made", done.length, all.length - lost.length);
  const words = summary(all, done, lost);
  find("summary").textContent = answers ? words : `The server does not answer. It is asked again and again. ${words}`;
  find("list").hidden = all.length === 0;
  find("forget").disabled = server.some(underWay) || here.some((photo) => photo.state !== "refused");
  announce(find("summary").textContent, done.length + lost.length === all.length);
}

function bar(id, value, most) {
  Object.assign(find(id), { max: Math.max(1, most), value });
  find(`${id}-shown`).textContent = most ? `${value} of ${most}` : "–";
}

function summary(all, done, lost) {
  if (!all.length) return "No photos yet.";
  const sum = (field) => done.reduce((total, photo) => total + photo[field], 0);
  const words = [`${done.length} of ${all.length} done.`];
  if (done.length) words.push(`${size(sum("before"))} became ${size(sum("after"))}, ${saved(sum("before"), sum("after"))} less.`);
  if (lost.length) words.push(`${lost.length} could not be made small.`);
  return words.join(" ");
}

const saved = (before, after) => `${Math.round(100 - (100 * after) / before)}\u00a0%`;

function drawRows(all) {
  const shown = new Set();
  all.forEach((photo, index) => {
    const key = photo.uid ?? photo.id;
    shown.add(key);
    if (!rows.has(key)) rows.set(key, makeRow());
    const row = rows.get(key);
    fill(row, photo);
    if (find("rows").children[index] !== row) find("rows").insertBefore(row, find("rows").children[index] ?? null);
  });
  for (const [key, row] of rows) {
    if (shown.has(key)) continue;
    row.remove();
    rows.delete(key);
  }
}

function makeRow() {
  const row = document.createElement("tr");
  const name = document.createElement("th");
  name.scope = "row";
  name.append(document.createElement("a"));
  row.append(name);
  for (const label of ["State", "Before", "After", "Saved"]) row.append(Object.assign(document.createElement("td"), { className: label.toLowerCase() }));
  return row;
}

function fill(row, { uid, name, state, kills, before, after, error }) {
  const [link, ...cells] = [row.firstChild.firstChild, ...row.querySelectorAll("td")];
  link.textContent = name || "(no name)";
  if (after !== null) link.href = `photos/small/${uid}`;
  const why = ["discarded", "refused"].includes(state) && error ? `: ${error}` : "";
  const again = kills && !why ? ` (its worker was killed ${kills === 1 ? "once" : `${kills} times`})` : "";
  const texts = [WORDS[state] + why + again, size(before), size(after), after === null ? "" : saved(before, after)];
  cells.forEach((cell, index) => { if (cell.textContent !== texts[index]) cell.textContent = texts[index]; });
  row.className = state;
}

// Not each photo: a screen reader would never come to an end.
let said = { words: "", at: 0 };
function announce(words, now) {
  if (words === said.words || (!now && performance.now() - said.at < QUIET)) return;
  said = { words, at: performance.now() };
  find("said").textContent = words;
}

// -- the person

for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault(); // else the browser would open what misses the target
    find("drop").classList.toggle("over", kind !== "drop" && find("drop").contains(event.target) && kind !== "dragleave");
    if (kind === "drop" && !find("files").disabled) take(event.dataTransfer.files);
  });
}
find("files").addEventListener("change", (event) => {
  take(event.target.files);
  event.target.value = ""; // so that the same ones can be chosen again; `take` has its own list by now
});
find("kill").addEventListener("click", () => act("kill-worker"));
find("forget").addEventListener("click", async () => {
  for (const [id, photo] of unsent) if (photo.state === "refused") { unsent.delete(id); await outbox.remove(id); }
  await act("forget");
  find("files").focus(); // the button has gone
});
addEventListener("beforeunload", (event) => { if (outbox.volatile()) event.preventDefault(); });

for (const entry of await outbox.all()) note(entry);
await look();
send();
