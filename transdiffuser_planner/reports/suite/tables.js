// Tables of the suite: the summary, the differences of two runs, and the drives with their filters.

const KIND_COLORS = {
  collision: "bad", "red light": "bad", "off road": "fallback_level-2", "route deviation": "fallback_level-2", fallback: "fallback_level-1",
  "not-at-fault collision": "waiting", "TTC violation": "waiting",
};

function colorOfKind(kind) {
  return KIND_COLORS[kind] || "waiting";
}

function shown(column, value) {
  if (value === null || value === undefined) return "–";
  const text = (column.unit === "%" ? 100 * value : value).toFixed(column.digits);
  return Number(text) === 0 ? text.replace("-", "") : text;
}

function valueOf(row, column) {
  const value = row[column.name];
  if (column.name === "ttc_min_s" && (value === null || value === undefined)) return 3;
  return value === null || value === undefined ? null : Number(value);
}

function headingOf(column) {
  return `${column.title} ${column.unit}`.trim();
}

function intervalCell(column, interval, isChange) {
  const cell = element("td");
  if (!interval) {
    cell.textContent = "–";
    return cell;
  }
  cell.append(shown(column, interval.mean));
  if (interval.low !== interval.high) cell.append(element("small", "", `${shown(column, interval.low)} to ${shown(column, interval.high)}`));
  const clear = interval.low > 0 ? 1 : interval.high < 0 ? -1 : 0;
  if (isChange && clear) cell.className = clear === column.better ? "clear-good" : "clear-bad";
  return cell;
}

// One row a planner or comparison, one column a measure; a click on a heading chooses the measure.
function fillSummary(table, columns, rows, isChange, onChoose) {
  const head = element("tr");
  head.append(element("th", "", isChange ? "second − first" : "planner"), element("th", "", isChange ? "in both" : "success rate"));
  for (const column of columns) {
    const cell = element("th");
    const button = element("button", "", headingOf(column));
    button.type = "button";
    button.title = column.text;
    button.dataset.measure = column.name;
    button.addEventListener("click", () => onChoose(column.name));
    cell.append(button);
    head.append(cell);
  }
  const top = element("thead");
  top.append(head);
  const body = element("tbody");
  for (const { title, count, intervals } of rows) {
    const line = element("tr");
    line.append(element("td", "", title), element("td", "", count));
    for (const column of columns) line.append(intervalCell(column, intervals[column.name], isChange));
    body.append(line);
  }
  table.replaceChildren(top, body);
}

function eventWords(events) {
  const counts = new Map();
  for (const { kind } of events) counts.set(kind, (counts.get(kind) || 0) + 1);
  return [...counts].map(([kind, count]) => {
    const word = element("span", "happened", count > 1 ? `${kind} ×${count}` : kind);
    word.style.setProperty("--swatch", `var(--${colorOfKind(kind)})`);
    return word;
  });
}

// The drives, worst first. A drive: planner, map, seed, cells (texts), events, keys.
class DriveTable {
  constructor(table, headings, drives, onPlay) {
    this.table = table;
    this.drives = drives;
    this.onPlay = onPlay;
    this.headings = headings;
    this.chosen = null;
    this.fillChoices("filter-planner", "every planner", drives.map((drive) => drive.planner));
    this.fillChoices("filter-map", "every map", drives.map((drive) => drive.map));
    this.fillChoices("filter-event", "whatever happened", drives.flatMap((drive) => drive.events.map((event) => event.kind)));
    for (const id of ["filter-planner", "filter-map", "filter-event"]) byId(id).addEventListener("change", () => this.fill());
    byId("filter").addEventListener("input", () => this.fill());
    this.fill();
  }

  fillChoices(id, all, values) {
    const options = [["", all], ...[...new Set(values)].sort().map((value) => [value, value])];
    byId(id).replaceChildren(...options.map(([value, text]) => Object.assign(element("option", "", text), { value })));
  }

  // Every word of the filter must be somewhere in the drive.
  visible() {
    const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    const [planner, map, event] = ["filter-planner", "filter-map", "filter-event"].map((id) => byId(id).value);
    return this.drives.filter((drive) => {
      if ((planner && drive.planner !== planner) || (map && drive.map !== map)) return false;
      if (event && !drive.events.some((one) => one.kind === event)) return false;
      const text = [drive.planner, drive.map, drive.seed, ...drive.events.map((one) => `${one.kind} ${one.text}`)].join(" ").toLowerCase();
      return words.every((word) => text.includes(word));
    });
  }

  fill() {
    const found = this.visible();
    const head = element("tr");
    for (const text of ["", ...this.headings]) head.append(element("th", "", text));
    for (const text of ["planner", "map", "seed"]) head.append(element("th", "text", text));
    head.append(element("th", "words", "what happened"));
    const top = element("thead");
    top.append(head);
    const body = element("tbody");
    for (const drive of found) body.append(this.row(drive));
    this.table.replaceChildren(top, body);
    byId("drives-count").textContent = `worst first, ${found.length} of ${this.drives.length}; ▶ can be played`;
  }

  row(drive) {
    const line = element("tr");
    line.dataset.drive = drive.id;
    const canPlay = drive.keys.some((key) => hasRecording(key));
    line.append(element("td", "", canPlay ? "▶" : ""));
    for (const text of drive.cells) line.append(element("td", "", text));
    for (const text of [drive.planner, drive.map, String(drive.seed)]) line.append(element("td", "text", text));
    const what = element("td", "words");
    what.append(...eventWords(drive.eventsShown || drive.events));
    line.append(what);
    line.classList.toggle("current", this.chosen === drive.id);
    if (canPlay) {
      line.classList.add("can-play");
      line.tabIndex = 0;
      line.addEventListener("click", () => this.onPlay(drive));
      line.addEventListener("keydown", (event) => { if (event.key === "Enter") this.onPlay(drive); });
    }
    return line;
  }

  mark(id) {
    this.chosen = id;
    for (const line of this.table.querySelectorAll("tbody tr")) line.classList.toggle("current", line.dataset.drive === id);
  }
}
