// Distributions as SVG: a line of dots for each planner, or the scores of two runs against each other.

const SVG = "http://www.w3.org/2000/svg";
const PLOT = { width: 1000, left: 210, right: 30, row: 46, top: 10, axis: 30 };

function mark(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

function niceTicks(low, high, count) {
  const step = niceStep(high - low, count);
  const ticks = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + 1e-9; at += step) ticks.push(Number(at.toPrecision(8)));
  return ticks;
}

function dotTitle(drive, text) {
  return mark("title", {}, `${drive.planner}, ${drive.map}, seed ${drive.seed}: ${text}`);
}

// rows: { title, interval, drives: [{ value, drive }] }
function drawDots(place, column, rows, onPick) {
  const values = rows.flatMap((row) => row.drives.map(({ value }) => value));
  const factor = column.unit === "%" ? 100 : 1;
  let low = Math.min(0, ...values) * factor;
  let high = Math.max(...values, 1e-3) * factor;
  if (column.unit === "%" || column.name === "driving_score") [low, high] = [Math.min(0, low), Math.max(100, high)];
  if (column.unit === "%" && column.better < 0 && Math.max(...values) < 0.5) high = Math.max(...values, 0.01) * 110;
  const { width, left, right, row: rowHeight, top, axis } = PLOT;
  const height = top + rows.length * rowHeight + axis;
  const x = (value) => left + ((value * factor - low) / (high - low)) * (width - left - right);
  const svg = mark("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${column.title} of every drive` });
  for (const tick of niceTicks(low, high, 8)) {
    svg.append(mark("line", { class: "axis", x1: x(tick / factor), x2: x(tick / factor), y1: top, y2: height - axis }));
    svg.append(mark("text", { x: x(tick / factor), y: height - 12, "text-anchor": "middle" }, String(tick)));
  }
  rows.forEach(({ title, interval, drives }, i) => {
    const y = top + (i + 0.5) * rowHeight;
    svg.append(mark("text", { class: "name", x: left - 14, y: y + 4, "text-anchor": "end" }, title));
    drives.forEach(({ value, drive }, k) => {
      // Spread by a fixed pattern: equal values stay apart and the plot is the same every time.
      const shift = (((k * 7) % 11) / 10 - 0.5) * rowHeight * 0.62;
      const dot = mark("circle", { class: "dot", cx: x(value), cy: y + shift, r: 4, "data-drive": drive.id });
      dot.append(dotTitle(drive, `${column.title} ${shown(column, value)} ${column.unit}`));
      dot.addEventListener("click", () => onPick(drive));
      svg.append(dot);
    });
    if (!interval) return;
    svg.append(mark("line", { class: "interval", x1: x(interval.low), x2: x(interval.high), y1: y, y2: y }));
    svg.append(mark("circle", { class: "mean", cx: x(interval.mean), cy: y, r: 5 }));
  });
  place.replaceChildren(svg);
}

function drawPairs(place, runs, drives, onPick) {
  const size = 420;
  const edge = 50;
  const at = (score) => edge + (score / 100) * (size - 2 * edge);
  const svg = mark("svg", { class: "square", viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": "Driving score of both runs" });
  for (const tick of [0, 20, 40, 60, 80, 100]) {
    svg.append(mark("line", { class: "axis", x1: at(tick), x2: at(tick), y1: edge, y2: size - edge }));
    svg.append(mark("line", { class: "axis", x1: edge, x2: size - edge, y1: size - at(tick), y2: size - at(tick) }));
    svg.append(mark("text", { x: at(tick), y: size - edge + 18, "text-anchor": "middle" }, String(tick)));
    svg.append(mark("text", { x: edge - 8, y: size - at(tick) + 4, "text-anchor": "end" }, String(tick)));
  }
  svg.append(mark("line", { class: "same", x1: at(0), y1: size - at(0), x2: at(100), y2: size - at(100) }));
  svg.append(mark("text", { class: "name", x: size / 2, y: size - 8, "text-anchor": "middle" }, `driving score, ${runs[0]}`));
  svg.append(mark("text", { class: "name", x: edge, y: edge - 16 }, `driving score, ${runs[1]}`));
  for (const drive of drives) {
    const dot = mark("circle", { class: "dot", cx: at(drive.first), cy: size - at(drive.second), r: 5, "data-drive": drive.id });
    dot.append(dotTitle(drive, `${drive.first.toFixed(1)} and ${drive.second.toFixed(1)}`));
    dot.addEventListener("click", () => onPick(drive));
    svg.append(dot);
  }
  place.replaceChildren(svg);
}

function markDot(place, id) {
  for (const dot of place.querySelectorAll(".dot")) dot.classList.toggle("current", dot.dataset.drive === id);
}
