// Builds the page: select a metric, filter the drives, play one of them.

const data = JSON.parse(byId("data").textContent);
const isComparison = data.kind === "comparison";
const columnOf = (name) => data.columns.find((column) => column.name === name);
const playback = new Playback();

function suiteDrives() {
  const rows = [...data.rows].sort((a, b) => a.driving_score - b.driving_score || a.seed - b.seed);
  return rows.map((row) => ({
    id: row.key, planner: row.planner, map: row.map, seed: row.seed, events: row.events, keys: [row.key], row,
    cells: ["driving_score", "progress"].map((name) => shown(columnOf(name), row[name])),
  }));
}

function comparedDrives() {
  return data.comparisons.flatMap((item) => item.drives.map((drive) => ({
    id: `${item.first} ${item.second} ${drive.map} ${drive.seed}`, map: drive.map, seed: drive.seed, keys: drive.keys,
    planner: item.first === item.second ? item.first : `${item.second} − ${item.first}`, events: drive.events.flat(),
    first: drive.first, second: drive.second, change: drive.change, eventsOf: drive.events, eventsShown: drive.events[1],
    cells: [drive.change, drive.first, drive.second].map((score) => score.toFixed(1)),
  }))).sort((a, b) => a.change - b.change || a.seed - b.seed);
}

const drives = isComparison ? comparedDrives() : suiteDrives();
const headings = isComparison ? ["change", "first", "second"] : ["score", "progress %"];
const table = new DriveTable(byId("drives"), headings, drives, open);

function summaryRows() {
  if (isComparison) {
    return data.comparisons.map((item) => ({
      title: item.first === item.second ? item.first : `${item.second} − ${item.first}`, count: `${item.successes.first} → ${item.successes.second} of ${item.scenarios} successful, p = ${item.successes.p_value.toPrecision(2)}`, intervals: item.columns,
    }));
  }
  return data.planners.map((planner) => ({
    title: planner.title + (planner.privileged ? "*" : ""), count: `${planner.successes} of ${planner.scenarios}`, intervals: planner.columns,
  }));
}

function chooseMeasure(name) {
  const column = columnOf(name);
  byId("measure").value = name;
  byId("column-text").textContent = `${headingOf(column)}: ${column.text}.`;
  for (const button of document.querySelectorAll("#summary [data-measure]")) button.setAttribute("aria-pressed", String(button.dataset.measure === name));
  if (isComparison) {
    drawPairs(byId("plot"), data.runs, drives, open);
    return;
  }
  drawDots(byId("plot"), column, data.planners.map((planner) => ({
    title: planner.planner,
    interval: planner.columns[name],
    drives: drives.filter((drive) => drive.planner === planner.planner)
      .map((drive) => ({ value: valueOf(drive.row, column), drive })).filter(({ value }) => value !== null),
  })), open);
  markDot(byId("plot"), table.chosen);
}

// Other planners' recorded drives through the same scenario, to be shown next to the selected one.
function fillOther(drive) {
  const others = drives.filter((other) => other !== drive && other.map === drive.map && other.seed === drive.seed && hasRecording(other.keys[0]));
  byId("other-label").hidden = isComparison || !others.length;
  const options = [["", "nothing"], ...others.map((other) => [other.id, other.planner])];
  byId("other").replaceChildren(...options.map(([value, text]) => Object.assign(element("option", "", text), { value })));
  byId("other").onchange = (event) => play(drive, others.find((other) => other.id === event.target.value));
}

function play(drive, other) {
  const heading = `${drive.map}, seed ${drive.seed}`;
  if (isComparison) {
    const scores = [drive.first, drive.second];
    return playback.open(heading, drive.keys.map((key, i) => ({
      key, title: `${data.runs[i]}: driving score ${scores[i].toFixed(1)}`, events: drive.eventsOf[i],
    })));
  }
  return playback.open(heading, [drive, other].filter(Boolean).map((one) => ({
    key: one.keys[0], title: `${one.planner}: driving score ${one.row.driving_score.toFixed(1)}`, events: one.events,
  })));
}

async function open(drive) {
  table.mark(drive.id);
  markDot(byId("plot"), drive.id);
  if (!drive.keys.some((key) => hasRecording(key))) {
    byId("filter").value = `${drive.map} ${drive.seed}`;
    table.fill();
    return;
  }
  fillOther(drive);
  await play(drive);
  byId("playback").scrollIntoView({ block: "nearest" });
}

function fillHead() {
  if (isComparison) {
    byId("facts").textContent = `${data.runs[1]} minus ${data.runs[0]}, scenario by scenario`;
    byId("plot-title").firstChild.textContent = "Driving score of both runs ";
    byId("plot-title").lastElementChild.textContent = "a dot for each scenario, click it; above the line the second run is better";
    byId("summary-title").firstChild.textContent = "Differences ";
    byId("summary-title").lastElementChild.textContent = "mean over scenarios in both and 95 % interval; colored where it excludes zero; p: McNemar's exact test of successful drives";
    byId("measure").parentElement.hidden = true;
  } else {
    byId("facts").textContent = `${data.num_scenarios} scenarios of ${data.duration_s} s, ${data.seeds.includes("windows") ? "" : "seeds "}${data.seeds}; ${data.machine}`;
  }
  for (const note of data.unfinished || []) byId("notes").append(element("p", "note", `Not finished, the same command tries again: ${note}`));
  for (const note of data.left_out || []) byId("notes").append(element("p", "note", `Skipped: ${note}`));
  byId("measure").replaceChildren(...data.columns.map((column) => Object.assign(element("option", "", headingOf(column)), { value: column.name })));
  byId("measure").addEventListener("change", (event) => chooseMeasure(event.target.value));
  fillSummary(byId("summary"), data.columns, summaryRows(), isComparison, chooseMeasure);
}

fillHead();
chooseMeasure("driving_score");
const first = drives.find((drive) => drive.keys.some((key) => hasRecording(key)));
const begun = first ? open(first).then(() => window.scrollTo(0, 0)) : Promise.resolve();

// Interface for scripts: tests, screenshots, videos.
begun.then(() => {
  window.suite = {
    ready: true,
    time: () => playback.player.time,
    duration: () => playback.player.duration,
    playing: () => playback.player.isPlaying,
    play: () => playback.player.play(),
    pause: () => playback.player.pause(),
    seek: (time) => playback.player.seek(time),
    numStages: () => playback.stages.length,
    visible: () => table.visible().map(({ planner, map, seed }) => ({ planner, map, seed })),
    image: (index) => playback.stages[index].canvas.toDataURL(),
    measure: () => byId("measure").value,
  };
});
