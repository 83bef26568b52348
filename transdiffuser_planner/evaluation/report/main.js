// Puts the page together: one time, everything shown at it, and all ways to change it.

const STEP_S = 0.1;
const LONG_STEP_S = 1.0;
const ZOOM_STEP = 1.25;

const data = JSON.parse(byId("data").textContent);
const drive = new Drive(data);

class Player {
  constructor(duration, show) {
    Object.assign(this, { duration, show, time: 0, rate: 1, isPlaying: false, last: null });
  }

  seek(t) {
    this.time = Math.max(0, Math.min(Number(t) || 0, this.duration));
    this.show();
  }

  play() {
    if (this.isPlaying) return;
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
}

fillHead(data);
const tip = new Tip(byId("tip"));
const view = new Viewpoint();
const birdEye = new BirdEye(byId("bird-eye"), drive, view);
const now = new NowPanel(drive);
const cameras = new CameraStrip(drive);
const player = new Player(drive.duration, show);
const seek = (t) => player.seek(t);
const events = new EventList(data.events, seek);
fillWorst(data.worst, seek);
const curves = [speedCurve(drive, byId("speed-curve"), seek, tip), timeCurve(drive, byId("time-curve"), seek, tip)].filter(Boolean);

function show() {
  const { time, isPlaying } = player;
  birdEye.draw(time);
  cameras.show(time, birdEye.shown.has("plan"));
  now.show(time);
  events.mark(time);
  for (const curve of curves) curve.draw(time);
  byId("slider").value = String(time);
  byId("slider").setAttribute("aria-valuetext", `${time.toFixed(1)} of ${drive.duration.toFixed(1)} seconds`);
  byId("clock").textContent = `${time.toFixed(1)} / ${drive.duration.toFixed(1)} s`;
  byId("play").classList.toggle("playing", isPlaying);
  byId("play").setAttribute("aria-label", isPlaying ? "Pause" : "Play");
  byId("follow").setAttribute("aria-pressed", String(view.following));
  byId("heading-up").setAttribute("aria-pressed", String(view.following && view.headingUp));
}

function redrawAll() {
  birdEye.resize();
  for (const curve of curves) curve.isStale = true;
  drawStrip(byId("strip"), drive);
  show();
}

function fillLayers() {
  for (const { name, label, color, mark, has } of LAYERS) {
    const button = toggleButton(mark, color, label, (shown) => {
      if (shown) birdEye.shown.add(name);
      else birdEye.shown.delete(name);
      show();
    });
    button.dataset.layer = name;
    if (!has(data)) {
      button.disabled = true;
      button.title = "Not in this recording";
    }
    byId("layers").append(button);
  }
  const kinds = new Set(Object.values(data.boxes).map(([kind]) => CLASS_COLORS[kind]));
  for (const kind of new Set(CLASS_COLORS)) if (kinds.has(kind)) byId("class-key").append(keyItem("box", kind, kind));
}

function fillCurveKeys() {
  const [speed, time] = [curves[0], curves[1]];
  for (const { label, color, dash } of speed.series) byId("speed-key").append(keyItem(dash ? "dashed" : "line", color, label));
  if (data.collisions.length) byId("speed-key").append(keyItem("tick", "rejected", "collision"));
  byId("time-panel").hidden = !time;
  if (!time) return;
  const rungs = new Set(data.plans.map((plan) => plan.rung));
  for (const rung of [...rungs].sort()) byId("time-key").append(keyItem("box", RUNG_COLORS[rung], data.rungs[rung]));
  if (data.waits.length) byId("time-key").append(keyItem("tick", "waiting", "no plan"));
  byId("time-key").append(keyItem("dashed", "limit", "deadline"));
}

function toggleFollowing() {
  if (view.following) view.following = false;
  else view.follow(view.headingUp);
  show();
}

function turn() {
  view.follow(!(view.following && view.headingUp));
  show();
}

function showWhole() {
  view.fit(data.ego.x, data.ego.y);
  show();
}

function zoom(factor, x = view.width / 2, y = view.height / 2) {
  view.zoom(factor, x, y);
  show();
}

function wireView() {
  const canvas = byId("bird-eye");
  let from = null;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    from = [event.offsetX, event.offsetY];
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!from || (event.offsetX === from[0] && event.offsetY === from[1])) return;
    view.drag(from[0], from[1], event.offsetX, event.offsetY);
    from = [event.offsetX, event.offsetY];
    show();
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { from = null; });
  // The wheel scrolls the page until the picture was clicked; a pinch (ctrl) always zooms.
  canvas.addEventListener("wheel", (event) => {
    if (document.activeElement !== canvas && !event.ctrlKey) return;
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * 0.0015), event.offsetX, event.offsetY);
  }, { passive: false });
  byId("zoom-in").addEventListener("click", () => zoom(ZOOM_STEP));
  byId("zoom-out").addEventListener("click", () => zoom(1 / ZOOM_STEP));
  byId("follow").addEventListener("click", toggleFollowing);
  byId("heading-up").addEventListener("click", turn);
  byId("whole").addEventListener("click", showWhole);
}

function wireTime() {
  const slider = byId("slider");
  slider.max = String(drive.duration);
  slider.addEventListener("input", () => player.seek(slider.value));
  byId("play").addEventListener("click", () => player.toggle());
  byId("rate").addEventListener("change", (event) => { player.rate = Number(event.target.value); });
  const step = (sign) => (event) => player.seek(player.time + sign * (event.shiftKey ? LONG_STEP_S : STEP_S));
  const keys = {
    " ": () => player.toggle(), ArrowLeft: step(-1), ArrowRight: step(1),
    Home: () => player.seek(0), End: () => player.seek(drive.duration),
    "+": () => zoom(ZOOM_STEP), "-": () => zoom(1 / ZOOM_STEP), f: toggleFollowing, h: turn, a: showWhole,
  };
  document.addEventListener("keydown", (event) => {
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    // A focused button keeps its own space key, the list of speeds all of its keys.
    if (event.target.closest("select") || (event.key === " " && event.target.closest("button"))) return;
    event.preventDefault();
    act(event);
  });
}

fillLayers();
fillCurveKeys();
wireView();
wireTime();
redrawAll();
new ResizeObserver(redrawAll).observe(byId("bird-eye"));
for (const curve of curves) new ResizeObserver(redrawAll).observe(curve.canvas);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);

// For scripts that look at the page: tests, screenshots, films.
window.report = {
  ready: true,
  duration: drive.duration,
  time: () => player.time,
  seek,
  playing: () => player.isPlaying,
  play: () => player.play(),
  pause: () => player.pause(),
  worstMoments: () => data.worst,
  visibleEvents: () => events.visible(),
  shownLayers: () => [...birdEye.shown],
};
