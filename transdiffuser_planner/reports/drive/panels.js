// The parts of the page that are words: cards, notes, facts, events, and the state at the current time.

const EVENT_NAMES = { collision: "Collision", fallback: "Fallback", waiting: "No plan" };
const EVENT_COLORS = { collision: "rejected", fallback: "fallback_level-1", waiting: "waiting", error: "driven" };

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function byId(id) {
  return document.getElementById(id);
}

function fillHead(data) {
  for (const { label, value, note, tone } of data.cards) {
    const card = element("div", `card ${tone}`);
    card.append(element("p", "label", label), element("p", "value", value), element("p", "detail", note));
    byId("cards").append(card);
  }
  for (const note of data.notes) byId("notes").append(element("p", "note", note));
  for (const [name, value] of data.table) {
    const row = element("tr");
    const head = element("th", "", name);
    head.scope = "row";
    row.append(head, element("td", "", value));
    byId("facts").append(row);
  }
}

function keyItem(mark, color, label) {
  const item = element("li");
  const swatch = element("i", `swatch ${mark}`);
  swatch.style.setProperty("--swatch", `var(--${color})`);
  item.append(swatch, label);
  return item;
}

function toggleButton(mark, color, label, onToggle) {
  const button = element("button", "chip");
  button.type = "button";
  button.setAttribute("aria-pressed", "true");
  const swatch = element("i", `swatch ${mark}`);
  swatch.style.setProperty("--swatch", `var(--${color})`);
  button.append(swatch, label);
  button.addEventListener("click", () => {
    const pressed = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(pressed));
    onToggle(pressed);
  });
  return button;
}

// The button of one of LAYERS; shown: the names of those that are drawn.
function layerButton({ name, label, color, mark }, shown, onChange) {
  const button = toggleButton(mark, color, label, (isShown) => {
    if (isShown) shown.add(name);
    else shown.delete(name);
    onChange();
  });
  button.dataset.layer = name;
  button.setAttribute("aria-pressed", String(shown.has(name)));
  return button;
}

// One row of a list of samples.
function momentItem({ time_s, end_s = time_s, text }, color, onClick) {
  const item = element("li");
  const button = element("button", "event");
  button.type = "button";
  const dot = element("i", "swatch disc");
  dot.style.setProperty("--swatch", `var(--${color})`);
  const lasts = end_s - time_s >= 0.05 ? `${(end_s - time_s).toFixed(1)} s long` : "";
  button.append(element("span", "when", `${time_s.toFixed(1)} s`), dot, element("span", "what", text), element("span", "lasts", lasts));
  button.addEventListener("click", onClick);
  item.append(button);
  return item;
}

function eventItem(event, onSeek) {
  return momentItem(event, EVENT_COLORS[event.kind], () => onSeek(event.time_s));
}

function fillWorst(samples, onSeek) {
  byId("worst-title").hidden = !samples.length;
  byId("worst").append(...samples.map((event) => eventItem(event, onSeek)));
}

class EventList {
  constructor(events, onSeek) {
    this.events = events;
    this.hidden = new Set();
    this.items = events.map((event) => eventItem(event, onSeek));
    byId("events").append(...this.items);
    for (const kind of Object.keys(EVENT_NAMES)) {
      const count = events.filter((event) => event.kind === kind).length;
      if (count) byId("filters").append(this.filter(kind, count));
    }
    if (!events.length) byId("events").append(element("li", "nothing", "No events in this recording."));
  }

  filter(kind, count) {
    const button = toggleButton("disc", EVENT_COLORS[kind], `${EVENT_NAMES[kind]} ${count}`, (shown) => {
      if (shown) this.hidden.delete(kind);
      else this.hidden.add(kind);
      this.events.forEach((event, i) => { this.items[i].hidden = this.hidden.has(event.kind); });
    });
    button.dataset.kind = kind;
    return button;
  }

  visible() {
    return this.events.filter((event) => !this.hidden.has(event.kind));
  }

  mark(t) {
    this.events.forEach((event, i) => {
      const isNow = t >= event.time_s - 0.05 && t <= Math.max(event.end_s, event.time_s + 0.5);
      this.items[i].classList.toggle("current", isNow);
    });
  }
}

class NowPanel {
  constructor(drive) {
    this.drive = drive;
    this.values = {};
    for (const name of ["Plan from", "Speed", "Plan time", "Rejected", "Next signal", "Limit", "Command", "Road users"]) {
      const pair = element("div");
      this.values[name] = element("dd", "", "–");
      pair.append(element("dt", "", name), this.values[name]);
      byId("now").append(pair);
    }
  }

  show(t) {
    const { drive } = this;
    const [limit, command, signal, plan, details] = [
      drive.limits.at(t), drive.commands.at(t), drive.signals.at(t), drive.plan(t), drive.details(t),
    ];
    this.put("Speed", `${(drive.pose(t).speed * 3.6).toFixed(0)} km/h`);
    this.put("Limit", limit && `${(limit[1] * 3.6).toFixed(0)} km/h`);
    this.put("Command", command && COMMAND_NAMES[command[1]]);
    this.put("Next signal", signal && signal[1] ? `${SIGNAL_NAMES[signal[1]]}, ${signal[2]} m` : null, signal && SIGNAL_COLORS[signal[1]]);
    this.put("Plan from", plan ? drive.data.fallback_levels[plan.fallback_level] : drive.waiting(t) || null, plan ? FALLBACK_LEVEL_COLORS[plan.fallback_level] : "waiting");
    if (plan && plan.reason) this.values["Plan from"].title += `: ${plan.reason}`;
    this.put("Plan time", plan && plan.ms !== null ? `${plan.ms.toFixed(0)} ms` : null);
    this.put("Rejected", details && details.candidates.steps ? rejectedWords(details.candidates) : null);
    this.put("Road users", drive.data.objects.length ? String(drive.objects(t).length) : null);
  }

  put(name, text, color) {
    const value = this.values[name];
    value.textContent = text || "–";
    value.title = text || ""; // a long one is cut off rather than moving what is below
    value.className = text && color ? "colored" : "";
    value.style.setProperty("--swatch", text && color ? `var(--${color})` : "transparent");
  }
}

function rejectedWords({ rejected }) {
  return `${rejected.reduce((sum, flag) => sum + flag, 0)} of ${rejected.length}`;
}

class CameraStrip {
  constructor(drive) {
    this.drive = drive;
    this.shown = [];
    this.plans = [];
    this.images = drive.data.cameras.map((camera) => {
      const figure = element("figure");
      figure.style.flexGrow = String(camera.width / camera.height);
      const image = element("img");
      image.alt = `Camera ${camera.name}`;
      image.style.aspectRatio = `${camera.width} / ${camera.height}`;
      figure.append(image, element("figcaption", "", camera.name.replaceAll("_", " ")));
      byId("cameras").append(figure);
      this.plans.push(camera.view ? new CameraPlan(drive, camera, figure) : null);
      return image;
    });
    if (!this.images.length) byId("cameras").append(element("p", "nothing", "No camera in this recording."));
  }

  show(t, isPlanShown) {
    this.drive.cameras.forEach((frames, i) => {
      const frame = frames.at(t) || frames.rows[0];
      if (this.plans[i]) this.plans[i].draw(frame[0], isPlanShown);
      if (frame === this.shown[i]) return;
      this.shown[i] = frame;
      this.images[i].src = `data:image/jpeg;base64,${frame[1]}`;
    });
  }
}

class Tip {
  constructor(box) {
    this.box = box;
  }

  show(event, lines) {
    this.box.replaceChildren(...lines.map((line) => element("div", "", line)));
    this.box.hidden = false;
    const right = event.clientX + 16 + this.box.offsetWidth > window.innerWidth;
    this.box.style.left = `${event.clientX + (right ? -16 - this.box.offsetWidth : 16)}px`;
    this.box.style.top = `${event.clientY - this.box.offsetHeight - 12}px`;
  }

  hide() {
    this.box.hidden = true;
  }
}
