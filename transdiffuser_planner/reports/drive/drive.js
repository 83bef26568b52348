// The embedded data and what was true at a time. Times are seconds from the start, positions meters from the first pose.

const MapKind = { LANE: 0, JUNCTION: 1, LANE_CENTER: 2, SIDEWALK: 3, CROSSING: 4, STOP_LINE: 5, BUILDING: 6, DRIVABLE_AREA: 7 };
const COMMAND_NAMES = ["turn left", "straight on", "turn right", "none"];
const SIGNAL_NAMES = ["unknown", "red", "amber", "green"];

const FOREVER = Infinity;

function bytes(base64) {
  const raw = atob(base64);
  const values = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) values[i] = raw.charCodeAt(i);
  return values;
}

// Decoding everything at the start would delay the page; each row is decoded when it is first looked at.
function remembered(decode) {
  const known = new WeakMap();
  return (row) => {
    if (!known.has(row)) known.set(row, decode(row));
    return known.get(row);
  };
}

function between(a, b, share) {
  return a + (b - a) * share;
}

function betweenAngles(a, b, share) {
  const turn = Math.atan2(Math.sin(b - a), Math.cos(b - a));
  return a + turn * share;
}

// Rows in order of time, and which of them counts at a time: the newest one, unless it is too old.
class Timed {
  constructor(rows, timeOf, holds_s) {
    this.rows = rows;
    this.times = rows.map(timeOf);
    this.holds_s = holds_s === undefined ? this.usualGap() : holds_s;
  }

  // Two and a half usual intervals: one missing row is not noticed, a real gap is.
  usualGap() {
    const steps = this.times.slice(1).map((t, i) => t - this.times[i]).sort((a, b) => a - b);
    return steps.length ? 2.5 * steps[steps.length >> 1] + 0.05 : 0.5;
  }

  index(t) {
    let low = 0;
    let high = this.times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.times[middle] <= t + 1e-6) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  at(t) {
    const i = this.index(t);
    return i >= 0 && t - this.times[i] <= this.holds_s ? this.rows[i] : null;
  }
}

class Drive {
  constructor(data) {
    this.data = data;
    this.duration = data.duration;
    this.egoTimes = new Timed(data.ego.t, (t) => t, FOREVER);
    const first = (row) => row[0];
    this.routes = new Timed(data.routes, first, FOREVER);
    this.limits = new Timed(data.limits, first, FOREVER);
    this.commands = new Timed(data.commands, first, FOREVER);
    this.signals = new Timed(data.signals, first, FOREVER);
    this.lightStates = new Timed(data.lightStates, first, FOREVER);
    this.frames = new Timed(data.objects, first);
    this.clouds = new Timed(data.clouds, first);
    this.plans = new Timed(data.plans, (plan) => plan.t);
    // Long drives keep candidates and agents of every n-th plan only.
    this.detailed = new Timed(data.plans.filter((plan) => plan.candidates !== null), (plan) => plan.t);
    this.waits = new Timed(data.waits, first);
    this.cameras = data.cameras.map((camera) => new Timed(camera.frames, first, FOREVER));
    this.pieces = data.map.map(([kind, flat]) => mapPiece(kind, flat));
    this.cloudPoints = remembered((row) => ({
      x: row[1], y: row[2], heading: row[3], xy: new Int16Array(bytes(row[4]).buffer), height: bytes(row[5]),
    }));
    this.candidatePaths = remembered((plan) => pathsOf(plan.candidates, plan.xy));
    this.agentPaths = remembered((plan) => plan.agents.map((agent) => pathsOf({ steps: agent.steps, xy: agent.paths }, plan.xy)));
    this.rowOfId = remembered((frame) => new Map(Array.from({ length: frame[1].length / 5 }, (_, i) => [frame[1][5 * i], 5 * i])));
  }

  pose(t) {
    const { x, y, h, v } = this.data.ego;
    const times = this.egoTimes.times;
    const i = Math.max(0, Math.min(this.egoTimes.index(t), times.length - 1));
    const j = Math.min(i + 1, times.length - 1);
    const share = j > i ? Math.max(0, Math.min((t - times[i]) / (times[j] - times[i]), 1)) : 0;
    return { x: between(x[i], x[j], share), y: between(y[i], y[j], share), heading: between(h[i], h[j], share), speed: between(v[i], v[j], share) };
  }

  // Road users, moved between two recorded frames so that playback is smooth.
  objects(t) {
    const frame = this.frames.at(t);
    if (!frame) return [];
    const next = this.frames.rows[this.frames.index(t) + 1];
    const gap = next ? next[0] - frame[0] : 0;
    const share = gap > 0 && gap <= this.frames.holds_s ? (t - frame[0]) / gap : 0;
    const nextRows = share > 0 ? this.rowOfId(next) : null;
    const found = [];
    const now = frame[1];
    for (let i = 0; i < now.length; i += 5) {
      const box = this.data.boxes[now[i]];
      const j = nextRows ? nextRows.get(now[i]) : undefined;
      const then = j === undefined ? null : next[1].slice(j, j + 5);
      found.push({
        id: now[i], kind: box[0], length: box[1], width: box[2],
        x: (then ? between(now[i + 1], then[1], share) : now[i + 1]) / 100,
        y: (then ? between(now[i + 2], then[2], share) : now[i + 2]) / 100,
        heading: then ? betweenAngles(now[i + 3] / 1000, then[3] / 1000, share) : now[i + 3] / 1000,
        speed: now[i + 4] / 100,
      });
    }
    return found;
  }

  cloud(t) {
    const row = this.clouds.at(t);
    return row && this.cloudPoints(row);
  }

  // The plan in force: none once the planner reported none.
  plan(t) {
    const plan = this.plans.at(t);
    const wait = this.waits.at(t);
    return plan && wait && wait[0] > plan.t ? null : plan;
  }

  // The newest plan with its candidates and agents, as long as there is a plan at all.
  details(t) {
    return this.plan(t) && this.detailed.at(t);
  }

  lights(t) {
    const row = this.lightStates.at(t);
    return this.data.lights.map(([, x, y, facing], i) => ({ x, y, facing, state: row ? row[1][i] : 0 }));
  }

  waiting(t) {
    const wait = this.waits.at(t);
    return wait && !this.plan(t) ? wait[1] : "";
  }

  // Whether a collision began within the last second.
  collided(t) {
    return this.data.collisions.some((at) => t >= at && t - at < 1.0);
  }
}

// A piece with its bounds; areas all turn the same way, or overlapping ones would cancel each other when filled at once.
function mapPiece(kind, flat) {
  const piece = { kind, flat, left: Infinity, right: -Infinity, bottom: Infinity, top: -Infinity };
  let doubleArea = 0;
  for (let i = 0; i < flat.length; i += 2) {
    const j = (i + 2) % flat.length;
    doubleArea += flat[i] * flat[j + 1] - flat[j] * flat[i + 1];
    piece.left = Math.min(piece.left, flat[i]);
    piece.right = Math.max(piece.right, flat[i]);
    piece.bottom = Math.min(piece.bottom, flat[i + 1]);
    piece.top = Math.max(piece.top, flat[i + 1]);
  }
  const isLine = kind === MapKind.LANE_CENTER || kind === MapKind.STOP_LINE;
  if (!isLine && doubleArea < 0) piece.flat = reversed(flat);
  return piece;
}

function reversed(flat) {
  const turned = [];
  for (let i = flat.length - 2; i >= 0; i -= 2) turned.push(flat[i], flat[i + 1]);
  return turned;
}

// Paths as flat lists of meters, each beginning where they are all measured from.
function pathsOf({ steps, xy }, [startX, startY]) {
  if (!steps) return [];
  const values = new Int16Array(bytes(xy).buffer);
  const paths = [];
  for (let i = 0; i < values.length; i += 2 * steps) {
    const path = [];
    for (let j = i; j < i + 2 * steps; j += 2) path.push(startX + values[j] / 100, startY + values[j + 1] / 100);
    paths.push(path);
  }
  return paths;
}
