// Runs the same addresses three ways and draws each call as it ends. The server streams one line of JSON a call.

const WAYS = [
  {
    key: "one-by-one", title: "One after the other", state: "one after the other",
    code: "for url in urls:\n    requests.get(url)",
  },
  {
    key: "pool", title: "A pool of five", state: "five at a time",
    code: "with ThreadPoolExecutor(5) as pool:\n    pool.map(requests.get, urls)",
  },
  {
    key: "weft", title: "weft", state: "all at once, one deadline",
    code: "weft.map(weft.http.get, urls,\n    deadline={deadline}).outcomes()",
  },
];
const find = (selector, inside = document) => inside.querySelector(selector);
const form = find("#form"), urls = find("#urls"), deadline = find("#deadline"), ways = find("#ways");
const panels = new Map();
let settings = { examples: [], addresses: [] };

const seconds = (value) => (value < 1 ? `${Math.round(value * 1000)} ms` : `${value.toFixed(2)} s`);
const addresses = () => urls.value.split("\n").map((line) => line.trim()).filter(Boolean);

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// One way: its panel, its run, its figures.
class Panel {
  constructor(way) {
    this.way = way;
    this.node = find("#way").content.firstElementChild.cloneNode(true);
    this.node.classList.add(way.key);
    find("h2", this.node).textContent = way.title;
    find("caption", this.node).textContent = `Calls made ${way.state}`;
    this.button = find(".go", this.node);
    this.button.setAttribute("aria-label", `Run ${way.title}`);
    this.button.addEventListener("click", () => runThese([this]));
    this.calls = [];
    this.total = null;
    this.began = null;
    this.showCode();
    ways.append(this.node);
  }

  showCode() {
    find("code", this.node).textContent = this.way.code.replace("{deadline}", Number(deadline.value).toFixed(1));
  }

  start(list) {
    this.calls = [];
    this.total = null;
    this.problem = null;
    this.limit = this.way.key === "weft" ? Number(deadline.value) : null;
    this.rows = list.map((url) => row(url, this.limit));
    find("tbody", this.node).replaceChildren(...this.rows.map((each) => each.node));
    this.began = performance.now();
    this.tell("running");
  }

  get elapsed() {
    return this.began === null ? 0 : (performance.now() - this.began) / 1000;
  }

  take(event) {
    if (event.problem) this.problem = event.problem;
    else if (event.total !== undefined) this.total = event.total;
    else this.draw(event);
  }

  draw(call) {
    this.calls.push(call);
    const { track, time, outcome } = this.rows[call.index];
    let from = 0;
    const bars = call.phases.filter(([, length]) => length > 0.0005).map(([name, length]) => {
      const made = bar(call.outcome === "ok" || name === "queued" ? name : call.outcome, from, length);
      made.title = `${name} ${seconds(length)}`;
      from += length;
      return made;
    });
    track.replaceChildren(...bars, ...mark(this.limit));
    time.textContent = seconds(call.seconds);
    outcome.textContent = call.words;
    outcome.title = call.detail;
    outcome.className = `outcome ${call.outcome}`;
  }

  finish() {
    this.began = null;
    this.tell(this.problem ?? this.way.state);
    const durations = this.calls.map((call) => call.seconds).sort((one, other) => one - other);
    const quantile = (share) => (durations.length ? seconds(durations[Math.ceil(share * durations.length) - 1]) : "–");
    const answered = this.calls.filter((call) => call.outcome === "ok").length;
    this.figure("answered", `${answered} of ${this.calls.length}`);
    this.figure("p50", quantile(0.5));
    this.figure("p95", quantile(0.95));
    this.figure("max", quantile(1));
  }

  figure(name, value) {
    find(`[data-figure=${name}]`, this.node).textContent = value;
  }

  tick() {
    for (const each of this.rows) {
      each.pending?.style.setProperty("--length", this.elapsed);
    }
    find(".total strong", this.node).textContent = seconds(this.elapsed);
  }

  tell(state) {
    find(".state", this.node).textContent = state;
    find(".total strong", this.node).textContent = this.total === null ? "–" : seconds(this.total);
  }
}

function row(url, limit) {
  const pending = bar("pending", 0, 0);
  const track = element("div", { className: "track" }, pending, ...mark(limit));
  const outcome = element("td", { className: "outcome", textContent: "…" });
  const name = element("th", { scope: "row", textContent: short(url), title: url });
  const time = element("td", { className: "time" });
  return { node: element("tr", {}, name, element("td", {}, track), time, outcome), track, time, outcome, pending };
}

function bar(kind, from, length) {
  const made = element("i", { className: kind });
  made.style.setProperty("--from", from);
  made.style.setProperty("--length", length);
  return made;
}

const mark = (limit) => (limit === null ? [] : [bar("deadline", limit, 0)]);

function short(url) {
  return url.startsWith(settings.upstream) ? url.slice(settings.upstream.length) : url.replace(/^https?:\/\//, "");
}

async function run(panel, list) {
  panel.start(list);
  try {
    const answer = await fetch(`check-sites/${panel.way.key}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ urls: list, deadline: Number(deadline.value) }),
    });
    if (!answer.ok) throw new Error((await answer.json()).detail);
    for await (const line of lines(answer.body)) panel.take(JSON.parse(line));
  } catch (error) {
    panel.problem = error.message;
  }
  panel.finish();
}

async function* lines(stream) {
  let rest = "";
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    const parts = (rest + piece.value).split("\n");
    rest = parts.pop();
    yield* parts;
  }
}

async function runThese(chosen) {
  const list = addresses();
  if (!list.length) return say("Write an address first.", "problem");
  busy(true);
  say(chosen.length > 1 ? "All three are running at the same time." : `${chosen[0].way.title}: running.`);
  let going = true;
  const frame = () => {
    for (const panel of panels.values()) if (panel.began !== null) panel.tick();
    scale();
    if (going) requestAnimationFrame(frame);
  };
  frame();
  await Promise.all(chosen.map((panel) => run(panel, list)));
  going = false;
  scale();
  busy(false);
  conclude();
}

// All panels share one axis, as long as the longest run so far.
function scale() {
  const ends = [...panels.values()].map((panel) => Math.max(panel.total ?? 0, panel.elapsed, panel.limit ?? 0));
  const span = Math.max(...ends, 0.05) * 1.01;
  ways.style.setProperty("--span", span);
  for (const end of document.querySelectorAll(".axis .end")) end.textContent = seconds(span);
}

function busy(on) {
  for (const button of document.querySelectorAll("#run-all, .go")) button.disabled = on;
}

function say(words, kind = "") {
  find("#verdict").replaceChildren(element("p", { className: kind, textContent: words }));
}

function conclude() {
  const problem = [...panels.values()].find((panel) => panel.problem)?.problem;
  if (problem) return say(problem, "problem");
  const [slow, pool, fast] = WAYS.map(({ key }) => panels.get(key).total);
  if ([slow, pool, fast].includes(null)) return say("Run the others to compare them.");
  const times = (other) => element("b", { textContent: `${(other / fast).toFixed(1)} times` });
  const words = ["weft took ", element("b", { textContent: seconds(fast) }), ": ", times(slow), " as fast as one after the other, "];
  const cut = panels.get("weft").calls.filter((call) => call.outcome === "late").length;
  const end = cut ? ` as fast as the pool of five. It cut ${cut} off at the deadline.` : " as fast as the pool of five.";
  find("#verdict").replaceChildren(element("p", { className: "won" }, ...words, times(pool), end));
}

function reset() {
  urls.value = settings.addresses.join("\n");
  deadline.value = settings.deadline;
  showDeadline();
}

function showDeadline() {
  find("#deadline-shown").textContent = `${Number(deadline.value).toFixed(1)} s`;
  for (const panel of panels.values()) panel.showCode();
}

function addExample({ name, url, about }) {
  const button = element("button", { type: "button", textContent: name, title: about });
  button.setAttribute("aria-label", `Add an address that is ${name}: ${about}`);
  button.addEventListener("click", () => {
    urls.value = [...addresses(), url].join("\n");
    urls.scrollTop = urls.scrollHeight;
  });
  find("#examples").append(element("li", {}, button));
}

for (const way of WAYS) panels.set(way.key, new Panel(way));
settings = await (await fetch("settings.json")).json();
find("#server").textContent = `Served by ${settings.server}.`;
settings.examples.forEach(addExample);
reset();
deadline.addEventListener("input", showDeadline);
find("#reset").addEventListener("click", reset);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  runThese([...panels.values()]);
});
if (new URLSearchParams(location.search).has("autorun")) form.requestSubmit();
