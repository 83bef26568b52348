// The clock of a page that plays a drive: time, play and pause, and the controls that show and change them.

const STEP_S = 0.1;
const LONG_STEP_S = 1.0;

class Player {
  // onShow is called at every change of time or state, also before the first drive.
  constructor(onShow) {
    Object.assign(this, { onShow, duration: 0, time: 0, rate: 1, isPlaying: false, last: null });
    byId("slider").addEventListener("input", () => this.seek(byId("slider").value));
    byId("play").addEventListener("click", () => this.toggle());
    byId("rate").addEventListener("change", (event) => { this.rate = Number(event.target.value); });
  }

  // A drive of this length, from its beginning.
  begin(duration) {
    this.isPlaying = false;
    this.duration = duration;
    byId("slider").max = String(duration);
    this.seek(0);
  }

  show() {
    const { time, duration, isPlaying } = this;
    byId("slider").value = String(time);
    byId("slider").setAttribute("aria-valuetext", `${time.toFixed(1)} of ${duration.toFixed(1)} seconds`);
    byId("clock").textContent = `${time.toFixed(1)} / ${duration.toFixed(1)} s`;
    byId("play").classList.toggle("playing", isPlaying);
    byId("play").setAttribute("aria-label", isPlaying ? "Pause" : "Play");
    this.onShow(time);
  }

  seek(time) {
    this.time = Math.max(0, Math.min(Number(time) || 0, this.duration));
    this.show();
  }

  play() {
    if (this.isPlaying || !this.duration) return;
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

  keys() {
    const step = (sign) => (event) => this.seek(this.time + sign * (event.shiftKey ? LONG_STEP_S : STEP_S));
    return { " ": () => this.toggle(), ArrowLeft: step(-1), ArrowRight: step(1) };
  }
}

// keys: what each does, letters in lower case. Fields that are typed into, lists and a button's space keep their own keys.
function wireKeys(keys) {
  document.addEventListener("keydown", (event) => {
    const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("select, input:not([type=range])") || (event.key === " " && event.target.closest("button"))) return;
    event.preventDefault();
    act(event);
  });
}
