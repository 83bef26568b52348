// The published plan drawn into the camera images: the ground that the vehicle would cover, seen through the real camera.

const NEAR_M = 0.6;
const PLAN_POINTS = 60;

// view: [fx, fy, cx, cy] as shares of the image's width and height, then the 3 x 4 transform from base_link to the camera's
// frame (x ahead, y left, z up). Returns [column, row] in shares of the image, or null behind the camera.
function throughCamera(view, x, y) {
  const [fx, fy, cx, cy, ...m] = view;
  const ahead = m[0] * x + m[1] * y + m[3];
  if (ahead < NEAR_M) return null;
  const left = m[4] * x + m[5] * y + m[7];
  const up = m[8] * x + m[9] * y + m[11];
  return [cx - (fx * left) / ahead, cy - (fy * up) / ahead];
}

// The plan's left and right edges in base_link at a pose: pairs of points, evenly spread along the plan. Plans are of the rear
// axle; the front bumper goes farther, so the ground covered ends that much later.
function planEdges(plan, pose, vehicle) {
  const cos = Math.cos(pose.heading);
  const sin = Math.sin(pose.heading);
  const local = [];
  for (let i = 0; i < plan.xy.length; i += 2) {
    const dx = plan.xy[i] - pose.x;
    const dy = plan.xy[i + 1] - pose.y;
    local.push([cos * dx + sin * dy, -sin * dx + cos * dy]);
  }
  const [end, before] = [local[local.length - 1], local[Math.max(0, local.length - 4)]];
  const moved = Math.hypot(end[0] - before[0], end[1] - before[1]);
  const [ux, uy] = moved > 0.05 ? [(end[0] - before[0]) / moved, (end[1] - before[1]) / moved] : [1, 0];
  const front = vehicle.center + vehicle.length / 2;
  for (const share of [0.25, 0.5, 0.75, 1]) local.push([end[0] + ux * front * share, end[1] + uy * front * share]);
  const edges = [];
  const last = local.length - 1;
  for (let k = 0; k <= PLAN_POINTS; k++) {
    const at = (k / PLAN_POINTS) * last;
    const i = Math.min(Math.floor(at), last - 1);
    const [a, b] = [local[i], local[i + 1]];
    const length = Math.hypot(b[0] - a[0], b[1] - a[1]);
    if (length < 1e-6) continue;
    const [x, y] = [between(a[0], b[0], at - i), between(a[1], b[1], at - i)];
    const [ox, oy] = [(-(b[1] - a[1]) / length) * (vehicle.width / 2), ((b[0] - a[0]) / length) * (vehicle.width / 2)];
    edges.push([[x + ox, y + oy], [x - ox, y - oy]]);
  }
  return edges;
}

class CameraPlan {
  constructor(drive, camera, figure) {
    Object.assign(this, { drive, view: camera.view, name: camera.name });
    this.canvas = element("canvas", "camera-plan");
    this.canvas.style.aspectRatio = `${camera.width} / ${camera.height}`;
    this.canvas.setAttribute("aria-hidden", "true");
    figure.append(this.canvas);
  }

  // time: of the image that is shown, so that both have one stamp.
  draw(time, isShown) {
    const { context, width, height } = sharpContext(this.canvas);
    context.clearRect(0, 0, width, height);
    const plan = isShown ? this.drive.plan(time) : null;
    if (!plan) return;
    const edges = planEdges(plan, this.drive.pose(time), this.drive.data.vehicle);
    const seen = edges.map((pair) => pair.map(([x, y]) => throughCamera(this.view, x, y))).filter(([a, b]) => a && b);
    if (seen.length < 2) return;
    const outline = [...seen.map(([a]) => a), ...seen.map(([, b]) => b).reverse()];
    context.beginPath();
    outline.forEach(([u, v], i) => context[i ? "lineTo" : "moveTo"](u * width, v * height));
    context.closePath();
    const color = getComputedStyle(this.canvas).getPropertyValue(`--${FALLBACK_LEVEL_COLORS[plan.fallback_level]}`);
    context.globalAlpha = 0.42;
    context.fillStyle = color;
    context.fill();
    context.globalAlpha = 0.95;
    context.lineWidth = 1.5;
    context.strokeStyle = color;
    context.stroke();
  }
}
