// Puts the page together: one time, everything shown at it, and all ways to change it.

const ZOOM_STEP = 1.25;

const data = JSON.parse(byId("data").textContent);
const drive = new Drive(data);

fillHead(data);
const tip = new Tip(byId("tip"));
const view = new Viewpoint();
const birdEye = new BirdEye(byId("bird-eye"), drive, view);
const now = new NowPanel(drive);
const cameras = new CameraStrip(drive);
const player = new Player(show);
const seek = (t) => player.seek(t);
const events = new EventList(data.events, seek);
fillWorst(data.worst, seek);
const curves = [speedCurve(drive, byId("speed-curve"), seek, tip), timeCurve(drive, byId("time-curve"), seek, tip)].filter(Boolean);

function show(time) {
  birdEye.draw(time);
  cameras.show(time, birdEye.shown.has("plan"));
  now.show(time);
  events.mark(time);
  for (const curve of curves) curve.draw(time);
  byId("follow").setAttribute("aria-pressed", String(view.following));
  byId("heading-up").setAttribute("aria-pressed", String(view.following && view.headingUp));
}

function redrawAll() {
  birdEye.resize();
  for (const curve of curves) curve.isStale = true;
  drawStrip(byId("strip"), drive);
  player.show();
}

function fillLayers() {
  for (const layer of LAYERS) {
    const button = layerButton(layer, birdEye.shown, () => player.show());
    if (!layer.has(data)) {
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
  const fallback_levels = new Set(data.plans.map((plan) => plan.fallback_level));
  for (const fallback_level of [...fallback_levels].sort()) byId("time-key").append(keyItem("box", FALLBACK_LEVEL_COLORS[fallback_level], data.fallback_levels[fallback_level]));
  if (data.waits.length) byId("time-key").append(keyItem("tick", "waiting", "no plan"));
  byId("time-key").append(keyItem("dashed", "limit", "deadline"));
}

function toggleFollowing() {
  if (view.following) view.following = false;
  else view.follow(view.headingUp);
  player.show();
}

function turn() {
  view.follow(!(view.following && view.headingUp));
  player.show();
}

function showWhole() {
  view.fit(data.ego.x, data.ego.y);
  player.show();
}

function zoom(factor) {
  view.zoom(factor, view.width / 2, view.height / 2);
  player.show();
}

function wireView() {
  wireCanvas(byId("bird-eye"), view, () => player.show());
  byId("zoom-in").addEventListener("click", () => zoom(ZOOM_STEP));
  byId("zoom-out").addEventListener("click", () => zoom(1 / ZOOM_STEP));
  byId("follow").addEventListener("click", toggleFollowing);
  byId("heading-up").addEventListener("click", turn);
  byId("whole").addEventListener("click", showWhole);
}

fillLayers();
fillCurveKeys();
wireView();
wireKeys({
  ...player.keys(), Home: () => player.seek(0), End: () => player.seek(drive.duration),
  "+": () => zoom(ZOOM_STEP), "-": () => zoom(1 / ZOOM_STEP), f: toggleFollowing, h: turn, a: showWhole,
});
player.begin(drive.duration);
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
