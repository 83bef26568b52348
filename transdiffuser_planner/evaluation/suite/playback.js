// One or two recorded drives from above, at one time.

const recordings = new Map();

function hasRecording(key) {
  return document.getElementById(`drive-${key}`) !== null;
}

// Recordings are compressed; each is unpacked when it is first looked at.
async function recordingOf(key) {
  if (!recordings.has(key)) {
    const packed = bytes(byId(`drive-${key}`).textContent);
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    recordings.set(key, new Drive(await new Response(stream).json()));
  }
  return recordings.get(key);
}

// A picture of one drive with its events below.
class Stage {
  constructor(drive, title, events, onSeek, onMove) {
    this.drive = drive;
    this.root = element("div", "stage-of-one");
    this.canvas = element("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("aria-label", `${title} from above. Drag to move, wheel to zoom, F to follow the vehicle again.`);
    this.state = element("p", "state");
    const picture = element("div", "picture");
    picture.append(this.canvas, this.state);
    const list = element("ol", "events");
    for (const event of events) list.append(momentItem(event, onSeek));
    this.root.append(element("h3", "", title), picture, list);
    this.view = new Viewpoint();
    this.onMove = onMove;
    this.wire();
  }

  // Only once the canvas has its place on the page.
  begin(shownLayers) {
    this.birdEye = new BirdEye(this.canvas, this.drive, this.view);
    this.birdEye.shown = shownLayers;
  }

  draw(time) {
    const t = Math.min(time, this.drive.duration);
    this.birdEye.draw(t);
    const { speed } = this.drive.pose(t);
    const waiting = this.drive.waiting(t);
    const ended = time > this.drive.duration + 0.05 ? "; the drive has ended" : "";
    this.state.textContent = `${(3.6 * speed).toFixed(0)} km/h${waiting ? `; no plan: ${waiting}` : ""}${ended}`;
  }

  wire() {
    let from = null;
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      from = [event.offsetX, event.offsetY];
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (!from || (event.offsetX === from[0] && event.offsetY === from[1])) return;
      this.view.drag(from[0], from[1], event.offsetX, event.offsetY);
      from = [event.offsetX, event.offsetY];
      this.onMove();
    });
    for (const end of ["pointerup", "pointercancel"]) this.canvas.addEventListener(end, () => { from = null; });
    this.canvas.addEventListener("wheel", (event) => {
      if (document.activeElement !== this.canvas && !event.ctrlKey) return;
      event.preventDefault();
      this.view.zoom(Math.exp(-event.deltaY * 0.0015), event.offsetX, event.offsetY);
      this.onMove();
    }, { passive: false });
  }
}

function momentItem(event, onSeek) {
  const item = element("li");
  const button = element("button", "event");
  button.type = "button";
  button.append(element("span", "when", `${event.time_s.toFixed(1)} s`), element("span", "what", `${event.kind}: ${event.text}`));
  button.addEventListener("click", () => onSeek(Math.max(0, event.time_s - 2)));
  item.append(button);
  return item;
}

class Playback {
  constructor() {
    Object.assign(this, { stages: [], time: 0, duration: 0, rate: 1, isPlaying: false, last: null, turn: 0 });
    this.layers = new Set(LAYERS.map((layer) => layer.name));
    byId("slider").addEventListener("input", () => this.seek(byId("slider").value));
    byId("play").addEventListener("click", () => this.toggle());
    byId("rate").addEventListener("change", (event) => { this.rate = Number(event.target.value); });
    document.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.resize()).observe(byId("stages"));
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.show());
  }

  // parts: { key, title, events }; those without a recording are left out.
  async open(heading, parts) {
    this.pause();
    const turn = ++this.turn;
    const found = parts.filter(({ key }) => hasRecording(key));
    const drives = await Promise.all(found.map(({ key }) => recordingOf(key)));
    if (turn !== this.turn) return; // another one was chosen meanwhile
    byId("playback").hidden = false;
    byId("playback-title").textContent = heading;
    const seek = (time) => this.seek(time);
    this.stages = found.map(({ title, events }, i) => new Stage(drives[i], title, events, seek, () => this.show()));
    byId("stages").replaceChildren(...this.stages.map((stage) => stage.root));
    for (const stage of this.stages) stage.begin(this.layers);
    this.duration = Math.max(...drives.map((drive) => drive.duration));
    byId("slider").max = String(this.duration);
    this.fillLayers(drives);
    this.seek(0);
  }

  fillLayers(drives) {
    byId("layers").replaceChildren();
    for (const { name, label, color, mark: swatch, has } of LAYERS) {
      if (!drives.some((drive) => has(drive.data))) continue;
      const button = toggleButton(swatch, color, label, (isShown) => {
        if (isShown) this.layers.add(name);
        else this.layers.delete(name);
        this.show();
      });
      button.dataset.layer = name;
      button.setAttribute("aria-pressed", String(this.layers.has(name)));
      byId("layers").append(button);
    }
  }

  resize() {
    for (const stage of this.stages) stage.birdEye.resize();
    this.show();
  }

  show() {
    for (const stage of this.stages) stage.draw(this.time);
    byId("slider").value = String(this.time);
    byId("clock").textContent = `${this.time.toFixed(1)} / ${this.duration.toFixed(1)} s`;
    byId("play").classList.toggle("playing", this.isPlaying);
    byId("play").setAttribute("aria-label", this.isPlaying ? "Pause" : "Play");
  }

  seek(time) {
    this.time = Math.max(0, Math.min(Number(time) || 0, this.duration));
    this.show();
  }

  play() {
    if (this.isPlaying || !this.stages.length) return;
    if (this.time >= this.duration) this.time = 0;
    this.isPlaying = true;
    this.last = null;
    requestAnimationFrame((now) => this.tick(now));
    this.show();
  }

  pause() {
    this.isPlaying = false;
    this.show();
  }

  toggle() {
    if (this.isPlaying) this.pause();
    else this.play();
  }

  tick(now) {
    if (!this.isPlaying) return;
    if (this.last !== null) this.time = Math.min(this.time + ((now - this.last) / 1000) * this.rate, this.duration);
    this.last = now;
    if (this.time >= this.duration) this.isPlaying = false;
    this.show();
    if (this.isPlaying) requestAnimationFrame((next) => this.tick(next));
  }

  key(event) {
    if (!this.stages.length || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, button")) return;
    const step = (sign) => () => this.seek(this.time + sign * (event.shiftKey ? 1 : 0.1));
    const follow = () => {
      for (const stage of this.stages) stage.view.follow(true);
      this.show();
    };
    const act = { " ": () => this.toggle(), ArrowLeft: step(-1), ArrowRight: step(1), f: follow, F: follow }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}
