// Draws the drive from above, one function a layer. Sizes given in px are on the screen, the others in meters.

const CLASS_COLORS = ["car", "truck", "two-wheeler", "two-wheeler", "person"];
const FALLBACK_LEVEL_COLORS = ["plan", "fallback_level-1", "fallback_level-2", "fallback_level-3"];
const SIGNAL_COLORS = ["signal-0", "signal-1", "signal-2", "signal-3"];
const SMALLEST_PX = 5;
const CLOUD_STEPS = 4;

const LAYERS = [
  { name: "map", label: "Map", color: "lane-center", mark: "area", has: (data) => data.map.length },
  { name: "lidar", label: "LiDAR", color: "cloud-2", mark: "dots", has: (data) => data.clouds.length },
  { name: "route", label: "Route", color: "route", mark: "wide", has: (data) => data.routes.length },
  { name: "driven", label: "Driven", color: "driven", mark: "dotted", has: () => true },
  { name: "traffic", label: "Traffic", color: "car", mark: "box", has: (data) => data.objects.length },
  { name: "lights", label: "Signals", color: "signal-3", mark: "disc", has: (data) => data.lights.length },
  { name: "agents", label: "Predicted", color: "agent", mark: "line", has: (data) => data.plans.some((p) => p.agents && p.agents.length) },
  { name: "candidates", label: "Candidates", color: "candidate", mark: "line", has: hasCandidates },
  { name: "rejected", label: "Rejected", color: "rejected", mark: "dashed", has: hasCandidates },
  { name: "plan", label: "Plan", color: "plan", mark: "wide", has: (data) => data.plans.length },
];

function hasCandidates(data) {
  return data.plans.some((plan) => plan.candidates && plan.candidates.steps);
}

// Colors of the image are CSS variables, so that light and dark are decided in one place.
function pictureColors() {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(`--${name}`).trim();
}

// Fits a canvas to its place on the screen; returns its context in CSS pixels.
function sharpContext(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const width = Math.max(1, canvas.clientWidth);
  const height = Math.max(1, canvas.clientHeight);
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { context, width, height, ratio };
}

class BirdEye {
  constructor(canvas, drive, view) {
    this.canvas = canvas;
    this.drive = drive;
    this.view = view;
    this.shown = new Set(LAYERS.map((layer) => layer.name));
    this.driven = drive.data.ego.x.flatMap((x, i) => [x, drive.data.ego.y[i]]);
    this.resize();
  }

  resize() {
    const { width, height } = sharpContext(this.canvas);
    this.view.resize(width, height);
  }

  draw(t) {
    const { context, width, height, ratio } = sharpContext(this.canvas);
    const pose = this.drive.pose(t);
    this.view.lookAt(pose);
    Object.assign(this, { context, ratio, t, color: pictureColors(), matrix: this.view.matrix(), px: 1 / this.view.scale });
    context.fillStyle = this.color("ground");
    context.fillRect(0, 0, width, height);
    this.inMeters();
    const painters = {
      map: () => this.drawMap(), lidar: () => this.drawCloud(), route: () => this.drawRoute(), driven: () => this.drawDriven(),
      traffic: () => this.drawTraffic(), lights: () => this.drawLights(), agents: () => this.drawAgents(),
      candidates: () => this.drawCandidates(false), rejected: () => this.drawCandidates(true), plan: () => this.drawPlan(),
    };
    if (!this.drive.pieces.length) this.drawGrid();
    for (const { name } of LAYERS) if (this.shown.has(name)) painters[name]();
    this.drawEgo(pose);
    this.drawScaleBar(height);
  }

  inMeters() {
    const [a, b, c, d, e, f] = this.matrix.map((value) => value * this.ratio);
    this.context.setTransform(a, b, c, d, e, f);
    this.context.lineCap = this.context.lineJoin = "round";
  }

  inPixels() {
    this.context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
  }

  trace(flat) {
    this.context.moveTo(flat[0], flat[1]);
    for (let i = 2; i < flat.length; i += 2) this.context.lineTo(flat[i], flat[i + 1]);
  }

  stroke(flat, color, width, { dash = [], alpha = 1 } = {}) {
    const { context } = this;
    context.globalAlpha = alpha;
    context.strokeStyle = color;
    context.lineWidth = width;
    context.setLineDash(dash);
    context.beginPath();
    this.trace(flat);
    context.stroke();
    context.setLineDash([]);
    context.globalAlpha = 1;
  }

  drawGrid() {
    const { context } = this;
    const { left, right, bottom, top } = this.view.bounds();
    const step = this.view.scale > 4 ? 10 : 50;
    context.beginPath();
    for (let x = Math.ceil(left / step) * step; x <= right; x += step) this.trace([x, bottom, x, top]);
    for (let y = Math.ceil(bottom / step) * step; y <= top; y += step) this.trace([left, y, right, y]);
    context.strokeStyle = this.color("grid");
    context.lineWidth = this.px;
    context.stroke();
  }

  drawMap() {
    const seen = this.view.bounds();
    const near = this.drive.pieces.filter(
      (p) => p.left < seen.right && p.right > seen.left && p.bottom < seen.top && p.top > seen.bottom,
    );
    const { JUNCTION, SIDEWALK, LANE, CROSSING, BUILDING, LANE_CENTER, STOP_LINE, DRIVABLE_AREA } = MapKind;
    this.mapAreas(near, BUILDING, "building");
    this.mapAreas(near, DRIVABLE_AREA, "road");
    this.mapAreas(near, JUNCTION, "road");
    this.mapAreas(near, SIDEWALK, "sidewalk");
    this.mapAreas(near, LANE, "road");
    this.mapAreas(near, CROSSING, "crossing");
    this.mapLines(near, LANE_CENTER, "lane-center", 0.14, [1.6, 2.2]);
    this.mapLines(near, STOP_LINE, "stop-line", 0.4, []);
  }

  mapAreas(pieces, kind, color) {
    const { context } = this;
    context.beginPath();
    for (const piece of pieces) {
      if (piece.kind !== kind || piece.flat.length < 6) continue;
      this.trace(piece.flat);
      context.closePath();
    }
    // The stroke closes the hairlines between neighboring areas.
    context.fillStyle = context.strokeStyle = this.color(color);
    context.lineWidth = this.px;
    context.fill();
    context.stroke();
  }

  mapLines(pieces, kind, color, width, dash) {
    const { context } = this;
    context.beginPath();
    for (const piece of pieces) if (piece.kind === kind && piece.flat.length >= 4) this.trace(piece.flat);
    context.lineCap = "butt";
    context.setLineDash(dash);
    context.strokeStyle = this.color(color);
    context.lineWidth = Math.max(width, this.px);
    context.stroke();
    context.setLineDash([]);
    context.lineCap = "round";
  }

  drawCloud() {
    const cloud = this.drive.cloud(this.t);
    if (!cloud) return;
    const { context, matrix: [a, b, c, d, e, f] } = this;
    const cos = Math.cos(cloud.heading) / 100;
    const sin = Math.sin(cloud.heading) / 100;
    const size = Math.max(1.6, Math.min(0.22 * this.view.scale, 4));
    this.inPixels();
    for (let step = 0; step < CLOUD_STEPS; step++) {
      context.fillStyle = this.color(`cloud-${step}`);
      for (let i = 0; i < cloud.height.length; i++) {
        if ((cloud.height[i] * CLOUD_STEPS) >> 8 !== step) continue;
        const x = cloud.x + cos * cloud.xy[2 * i] - sin * cloud.xy[2 * i + 1];
        const y = cloud.y + sin * cloud.xy[2 * i] + cos * cloud.xy[2 * i + 1];
        context.fillRect(a * x + c * y + e - size / 2, b * x + d * y + f - size / 2, size, size);
      }
    }
    this.inMeters();
  }

  drawRoute() {
    const row = this.drive.routes.at(this.t);
    if (row) this.stroke(row[1], this.color("route"), Math.max(1.3, 4 * this.px), { alpha: 0.42 });
  }

  drawDriven() {
    this.stroke(this.driven, this.color("driven"), 1.6 * this.px, { dash: [1.5 * this.px, 5 * this.px] });
  }

  // A rectangle about its center whose front edge is marked, at least a few pixels large.
  box({ x, y, heading, length, width }, fill, edge, line_px) {
    const { context } = this;
    const long = Math.max(length, SMALLEST_PX * this.px) / 2;
    const wide = Math.max(width, SMALLEST_PX * this.px) / 2;
    context.save();
    context.translate(x, y);
    context.rotate(heading);
    context.beginPath();
    context.roundRect(-long, -wide, 2 * long, 2 * wide, Math.min(long, wide) * 0.35);
    if (fill) {
      context.fillStyle = fill;
      context.fill();
    }
    context.strokeStyle = edge;
    context.lineWidth = line_px * this.px;
    context.stroke();
    context.beginPath();
    this.trace([long * 0.45, wide * 0.7, long * 0.8, 0, long * 0.45, -wide * 0.7]);
    context.stroke();
    context.restore();
  }

  drawTraffic() {
    const edge = this.color("box-edge");
    for (const user of this.drive.objects(this.t)) this.box(user, this.color(CLASS_COLORS[user.kind]), edge, 1.2);
  }

  drawLights() {
    const { context } = this;
    const radius = Math.max(0.45, 3.5 * this.px);
    for (const { x, y, state } of this.drive.lights(this.t)) {
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.fillStyle = this.color(SIGNAL_COLORS[state] || SIGNAL_COLORS[0]);
      context.fill();
      context.strokeStyle = this.color("signal-edge");
      context.lineWidth = 1.2 * this.px;
      context.stroke();
    }
  }

  drawAgents() {
    const plan = this.drive.details(this.t);
    if (!plan) return;
    const color = this.color("agent");
    this.drive.agentPaths(plan).forEach((paths, i) => {
      const agent = plan.agents[i];
      const [dx, dy, heading, length, width] = agent.box;
      const start = [plan.xy[0] + dx, plan.xy[1] + dy];
      const alpha = Math.min(1, 0.35 + agent.existence * 0.65);
      paths.forEach((path, rank) => this.stroke([...start, ...path], color, (rank ? 1 : 2) * this.px, { alpha: rank ? alpha * 0.5 : alpha }));
      this.context.globalAlpha = alpha;
      this.box({ x: start[0], y: start[1], heading, length, width }, null, color, 1.6);
      this.context.globalAlpha = 1;
    });
  }

  drawCandidates(rejected) {
    const plan = this.drive.details(this.t);
    if (!plan) return;
    const { probability, rejected: isRejected } = plan.candidates;
    const most = Math.max(...probability, 1e-6);
    this.drive.candidatePaths(plan).forEach((path, i) => {
      if (Boolean(isRejected[i]) !== rejected) return;
      const whole = [plan.xy[0], plan.xy[1], ...path];
      const color = this.color(rejected ? "rejected" : "candidate");
      const alpha = rejected ? 0.75 : 0.3 + 0.65 * Math.sqrt(probability[i] / most);
      const dash = rejected ? [5 * this.px, 4 * this.px] : [];
      this.stroke(whole, color, (rejected ? 1.2 : 1.4) * this.px, { dash, alpha });
      // Candidates often share a path and differ in speed only; their ends distinguish them.
      const end = path.slice(-2);
      this.stroke([...end, ...end], color, 4.5 * this.px, { alpha });
    });
  }

  drawPlan() {
    const plan = this.drive.plan(this.t);
    if (!plan) return;
    this.stroke(plan.xy, this.color("halo"), 6.4 * this.px, { alpha: 0.85 });
    this.stroke(plan.xy, this.color(FALLBACK_LEVEL_COLORS[plan.fallback_level]), 3.4 * this.px);
    const { context } = this;
    context.fillStyle = this.color("halo");
    // A dot a second shows how fast the plan is.
    plan.times.forEach((time, i) => {
      if (i === 0 || Math.abs(time - Math.round(time)) > 0.01) return;
      context.beginPath();
      context.arc(plan.xy[2 * i], plan.xy[2 * i + 1], 1.9 * this.px, 0, 2 * Math.PI);
      context.fill();
    });
  }

  drawEgo({ x, y, heading }) {
    const { length, width, center } = this.drive.data.vehicle;
    const middle = { x: x + center * Math.cos(heading), y: y + center * Math.sin(heading), heading, length, width };
    this.box(middle, this.color(this.drive.collided(this.t) ? "rejected" : "ego"), this.color("ego-edge"), 2);
  }

  drawScaleBar(height) {
    const { context } = this;
    const meters = [1, 2, 5, 10, 20, 50, 100, 200].find((m) => m * this.view.scale >= 60) || 500;
    this.inPixels();
    context.fillStyle = this.color("ground");
    context.globalAlpha = 0.8;
    context.fillRect(10, height - 38, 12 + meters * this.view.scale, 28);
    context.globalAlpha = 1;
    context.strokeStyle = context.fillStyle = this.color("ink-2");
    context.lineWidth = 1.5;
    context.beginPath();
    this.trace([16, height - 22, 16, height - 16, 16 + meters * this.view.scale, height - 16, 16 + meters * this.view.scale, height - 22]);
    context.stroke();
    context.font = "12px system-ui, sans-serif";
    context.fillText(`${meters} m`, 22, height - 21);
  }
}
