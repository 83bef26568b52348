// Bird's-eye view of one or two recorded drives at the same time.

const LEAD_S = 2; // playback starts this long before an event, to show its cause
const recordings = new Map();

function hasRecording(key) {
  return document.getElementById(`drive-${key}`) !== null;
}

// Recordings are compressed; each is unpacked on first use.
async function recordingOf(key) {
  if (!recordings.has(key)) {
    const packed = bytes(byId(`drive-${key}`).textContent);
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    recordings.set(key, new Drive(await new Response(stream).json()));
  }
  return recordings.get(key);
}

// Canvas of one drive with its events below.
class Stage {
  constructor(drive, title, events, player) {
    this.drive = drive;
    this.root = element("div", "stage-of-one");
    this.canvas = element("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("aria-label", `${title} from above. Drag to move, wheel to zoom, F to follow the vehicle again.`);
    this.state = element("p", "state");
    const frame = element("div", "canvas-frame");
    frame.append(this.canvas, this.state);
    const list = element("ol", "events");
    for (const { kind, text, time_s } of events) {
      list.append(momentItem({ time_s, text: `${kind}: ${text}` }, colorOfKind(kind), () => player.seek(time_s - LEAD_S)));
    }
    this.root.append(element("h3", "", title), frame, this.logImages(), list);
    this.view = new Viewpoint();
    wireCanvas(this.canvas, this.view, () => player.show());
  }

  // The log's own images, where the drive is one in a log: what the human's cameras saw at that time.
  logImages() {
    const strip = element("div", "log-images");
    this.images = this.drive.data.cameras.map((camera) => {
      const image = element("img");
      image.alt = `Camera ${camera.name} of the log`;
      image.style.aspectRatio = `${camera.width} / ${camera.height}`;
      image.style.flexGrow = String(camera.width / camera.height);
      strip.append(image);
      return image;
    });
    strip.hidden = !this.images.length;
    strip.title = "Recorded by the log at this time, from where the human drove";
    return strip;
  }

  // Call after the canvas was added to the page.
  begin(shownLayers) {
    this.birdEye = new BirdEye(this.canvas, this.drive, this.view);
    this.birdEye.shown = shownLayers;
  }

  draw(time) {
    const t = Math.min(time, this.drive.duration);
    this.birdEye.draw(t);
    this.drive.cameras.forEach((frames, i) => {
      const [, jpeg] = frames.at(t) || frames.rows[0];
      const source = `data:image/jpeg;base64,${jpeg}`;
      if (this.images[i].src !== source) this.images[i].src = source;
    });
    const { speed } = this.drive.pose(t);
    const waiting = this.drive.waiting(t);
    const ended = time > this.drive.duration + 0.05 ? "; the drive has ended" : "";
    this.state.textContent = `${(3.6 * speed).toFixed(0)} km/h${waiting ? `; no plan: ${waiting}` : ""}${ended}`;
  }
}

class Playback {
  constructor() {
    this.stages = [];
    this.turn = 0;
    this.layers = new Set(LAYERS.map((layer) => layer.name));
    this.player = new Player((time) => {
      for (const stage of this.stages) stage.draw(time);
    });
    new ResizeObserver(() => this.resize()).observe(byId("stages"));
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.player.show());
    wireKeys({ ...this.player.keys(), f: () => this.follow() });
  }

  // parts: { key, title, events }; those without a recording are skipped.
  async open(heading, parts) {
    this.player.pause();
    const turn = ++this.turn;
    const found = parts.filter(({ key }) => hasRecording(key));
    const drives = await Promise.all(found.map(({ key }) => recordingOf(key)));
    if (turn !== this.turn) return; // another one was chosen meanwhile
    byId("playback").hidden = false;
    byId("playback-title").textContent = heading;
    this.stages = found.map(({ title, events }, i) => new Stage(drives[i], title, events, this.player));
    byId("stages").replaceChildren(...this.stages.map((stage) => stage.root));
    for (const stage of this.stages) stage.begin(this.layers);
    const layers = LAYERS.filter(({ has }) => drives.some((drive) => has(drive.data)));
    byId("layers").replaceChildren(...layers.map((layer) => layerButton(layer, this.layers, () => this.player.show())));
    this.player.begin(Math.max(...drives.map((drive) => drive.duration)));
  }

  resize() {
    for (const stage of this.stages) stage.birdEye.resize();
    this.player.show();
  }

  follow() {
    for (const stage of this.stages) stage.view.follow(true);
    this.player.show();
  }
}
