// Values over the time of the drive: speed, planning time, and the strip above the slider. Click or drag to seek.

const MARGIN = { left: 44, right: 16, top: 10, bottom: 24 };

class Curve {
  // series: {label, color, points: [[t, value or null]], step, dash, fill, bars}; marks: [{t, color}]
  constructor(canvas, { duration, series, marks = [], top, unit, onSeek, tip }) {
    Object.assign(this, { canvas, duration: Math.max(duration, 1e-3), series, marks, unit, tip });
    this.top = top;
    this.sheet = document.createElement("canvas");
    this.isStale = true;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      onSeek(this.timeAt(event.offsetX));
    });
    canvas.addEventListener("pointermove", (event) => {
      if (event.buttons & 1) onSeek(this.timeAt(event.offsetX));
      this.notify(event);
    });
    canvas.addEventListener("pointerleave", () => tip.hide());
  }

  timeAt(pixelX) {
    const share = (pixelX - MARGIN.left) / (this.canvas.clientWidth - MARGIN.left - MARGIN.right);
    return Math.max(0, Math.min(share, 1)) * this.duration;
  }

  notify(event) {
    const t = this.timeAt(event.offsetX);
    const lines = this.series.map((one) => [one.label, valueAt(one, t)]).filter(([, value]) => value !== null);
    this.tip.show(event, [`${t.toFixed(1)} s`, ...lines.map(([label, value]) => `${label} ${value.toFixed(0)} ${this.unit}`)]);
  }

  draw(t) {
    const { context, width, height, ratio } = sharpContext(this.canvas);
    if (this.isStale || this.sheet.width !== this.canvas.width || this.sheet.height !== this.canvas.height) {
      this.sheet.width = this.canvas.width;
      this.sheet.height = this.canvas.height;
      this.drawSheet(width, height, ratio);
      this.isStale = false;
    }
    context.clearRect(0, 0, width, height);
    context.drawImage(this.sheet, 0, 0, width, height);
    const x = this.x(t);
    context.strokeStyle = this.color("ink");
    context.lineWidth = 1.5;
    context.beginPath();
    context.moveTo(x, MARGIN.top - 4);
    context.lineTo(x, height - MARGIN.bottom);
    context.stroke();
  }

  drawSheet(width, height, ratio) {
    const context = this.sheet.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.color = pictureColors();
    const floor = height - MARGIN.bottom;
    this.x = (t) => MARGIN.left + (t / this.duration) * (width - MARGIN.left - MARGIN.right);
    this.y = (value) => floor - (Math.min(value, this.top) / this.top) * (floor - MARGIN.top);
    this.drawAxes(context, width, floor);
    for (const one of this.series) (one.bars ? this.drawBars : this.drawLine).call(this, context, one, floor);
    for (const { t, color } of this.marks) {
      context.fillStyle = this.color(color);
      context.fillRect(this.x(t) - 1, MARGIN.top, 2, floor - MARGIN.top);
    }
  }

  drawAxes(context, width, floor) {
    context.font = "11px system-ui, sans-serif";
    context.fillStyle = this.color("ink-2");
    context.lineWidth = 1;
    context.strokeStyle = this.color("rule");
    context.textBaseline = "middle";
    context.textAlign = "right";
    const rise = niceStep(this.top, 4);
    for (let value = 0; value <= this.top * 1.0001; value += rise) {
      const y = Math.round(this.y(value)) + 0.5;
      context.beginPath();
      context.moveTo(MARGIN.left, y);
      context.lineTo(width - MARGIN.right, y);
      context.stroke();
      context.fillText(String(Number(value.toFixed(2))), MARGIN.left - 8, y);
    }
    context.textBaseline = "top";
    context.textAlign = "center";
    const step = niceStep(this.duration, Math.max(2, width / 110));
    for (let t = 0; t <= this.duration + 1e-6; t += step) context.fillText(`${Number(t.toFixed(2))} s`, this.x(t), floor + 8);
  }

  drawLine(context, { points, color, step, dash = [], fill, width = 2 }, floor) {
    context.strokeStyle = this.color(color);
    context.lineWidth = width;
    context.lineJoin = "round";
    context.setLineDash(dash);
    context.beginPath();
    let before = null;
    for (const [t, value] of points) {
      if (value !== null) {
        if (before === null) context.moveTo(this.x(t), this.y(value));
        else {
          if (step) context.lineTo(this.x(t), this.y(before));
          context.lineTo(this.x(t), this.y(value));
        }
      }
      before = value;
    }
    context.stroke();
    context.setLineDash([]);
    if (!fill || points.length < 2) return;
    context.lineTo(this.x(points[points.length - 1][0]), floor);
    context.lineTo(this.x(points[0][0]), floor);
    context.globalAlpha = 0.1;
    context.fillStyle = this.color(color);
    context.fill();
    context.globalAlpha = 1;
  }

  drawBars(context, { points, colorOf }, floor) {
    const usual = points.length > 1 ? (points[points.length - 1][0] - points[0][0]) / (points.length - 1) : 1;
    const wide = Math.max(1, Math.min(this.x(usual) - this.x(0) - 1, 8));
    points.forEach(([t, value], i) => {
      if (value === null) return;
      context.fillStyle = this.color(colorOf(i));
      context.fillRect(this.x(t) - wide / 2, this.y(value), wide, floor - this.y(value));
    });
  }
}

function valueAt({ points, step }, t) {
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle][0] <= t) low = middle + 1;
    else high = middle;
  }
  const before = points[low - 1];
  const after = points[low];
  if (step || !after) return before ? before[1] : null;
  if (!before) return null;
  return t - before[0] <= after[0] - t ? before[1] : after[1];
}

function speedCurve(drive, canvas, onSeek, tip) {
  const { ego, limits, plans, collisions } = drive.data;
  const driven = ego.t.map((t, i) => [t, ego.v[i] * 3.6]);
  // What each plan meant for one second later, drawn at that time, next to the logged motion.
  const planned = withGaps(plans.filter((p) => p.in1s !== null && p.t + 1 <= drive.duration).map((p) => [p.t + 1, p.in1s * 3.6]), drive.plans.holds_s);
  const limit = limits.map(([t, v]) => [Math.max(0, t), v * 3.6]);
  if (limit.length) limit.push([drive.duration, limit[limit.length - 1][1]]);
  const series = [{ label: "driven", color: "ego", points: driven, fill: true }];
  if (planned.length) series.push({ label: "planned 1 s before", color: "plan", points: planned, dash: [5, 4], width: 1.8 });
  if (limit.length) series.push({ label: "limit", color: "limit", points: limit, step: true, width: 1.5 });
  const top = Math.max(10, ...[...driven, ...planned, ...limit].map(([, value]) => value || 0));
  const marks = collisions.map((t) => ({ t, color: "rejected" }));
  return new Curve(canvas, { duration: drive.duration, series, marks, top: roundUp(top), unit: "km/h", onSeek, tip });
}

function timeCurve(drive, canvas, onSeek, tip) {
  const timed = drive.data.plans.filter((plan) => plan.ms !== null);
  if (!timed.length) return null;
  const deadline = timed.map((plan) => [plan.t, plan.deadline]);
  const last = deadline[deadline.length - 1];
  const series = [
    { label: "plan", bars: true, points: timed.map((plan) => [plan.t, plan.ms]), colorOf: (i) => FALLBACK_LEVEL_COLORS[timed[i].fallback_level] },
    { label: "deadline", color: "limit", points: [[0, deadline[0][1]], ...deadline, [Math.max(drive.duration, last[0]), last[1]]], step: true, dash: [6, 4], width: 1.5 },
  ];
  // One very late plan must not flatten all the others; it reaches the top and the tip shows its value.
  const slowest = Math.min(Math.max(...timed.map((plan) => plan.ms)), 3 * last[1]);
  const marks = drive.data.waits.map(([t]) => ({ t, color: "waiting" }));
  return new Curve(canvas, { duration: drive.duration, series, marks, top: roundUp(Math.max(slowest, last[1]) * 1.05), unit: "ms", onSeek, tip });
}

function withGaps(points, longest_s) {
  return points.flatMap((point, i) => (i && point[0] - points[i - 1][0] > longest_s ? [[point[0], null], point] : [point]));
}

function roundUp(value) {
  const step = niceStep(value, 5);
  return Math.ceil(value / step) * step;
}

// What happened when, above the slider: fallbacks, times without a plan, collisions.
function drawStrip(canvas, drive) {
  const { context, width, height } = sharpContext(canvas);
  const color = pictureColors();
  const inset = 8; // half of the slider's knob: where the slider's own track begins
  const x = (t) => inset + (Math.max(0, t) / Math.max(drive.duration, 1e-3)) * (width - 2 * inset);
  context.clearRect(0, 0, width, height);
  context.fillStyle = color("rule");
  context.fillRect(inset, height / 2 - 1.5, width - 2 * inset, 3);
  for (const event of drive.data.events) {
    const isPoint = event.kind === "collision";
    context.fillStyle = color(EVENT_COLORS[event.kind]);
    const wide = Math.max(3, x(event.end_s) - x(event.time_s));
    context.fillRect(x(event.time_s) - (isPoint ? 1.5 : 0), isPoint ? 0 : height / 2 - 3, wide, isPoint ? height : 6);
  }
}
