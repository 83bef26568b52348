// Where the bird's-eye image is looked at from: which place is where on the canvas, how large, and what is up.

const SHOWN_M = 68; // from the upper to the lower edge
const MIN_SCALE = 0.4;
const MAX_SCALE = 80;

class Viewpoint {
  constructor() {
    this.width = 1;
    this.height = 1;
    this.scale = null; // pixels per meter; null until the canvas has a size
    this.following = true;
    this.headingUp = true;
    this.center = { x: 0, y: 0 };
    this.up = Math.PI / 2;
    this.anchor = { x: 0.5, y: 0.5 }; // where on the canvas the center is
    this.scaleBefore = null; // what following again goes back to after the whole drive was shown
  }

  resize(width, height) {
    if (this.scale === null) this.scale = height / SHOWN_M;
    else this.scale *= height / this.height;
    this.width = width;
    this.height = height;
  }

  follow(headingUp) {
    this.following = true;
    this.headingUp = headingUp;
    if (this.scaleBefore !== null) this.scale = this.scaleBefore;
    this.scaleBefore = null;
  }

  lookAt(pose) {
    if (!this.following) return;
    this.center = { x: pose.x, y: pose.y };
    this.up = this.headingUp ? pose.heading : Math.PI / 2;
    this.anchor = { x: 0.5, y: this.headingUp ? 0.74 : 0.5 };
  }

  // [a, b, c, d, e, f] as in CanvasRenderingContext2D.setTransform.
  matrix() {
    const sin = this.scale * Math.sin(this.up);
    const cos = this.scale * Math.cos(this.up);
    const { x, y } = this.center;
    return [sin, -cos, -cos, -sin, this.anchor.x * this.width - sin * x + cos * y, this.anchor.y * this.height + cos * x + sin * y];
  }

  place(pixelX, pixelY) {
    const [a, b, c, d, e, f] = this.matrix();
    const determinant = a * d - b * c;
    return { x: (d * (pixelX - e) - c * (pixelY - f)) / determinant, y: (a * (pixelY - f) - b * (pixelX - e)) / determinant };
  }

  // The smallest upright box in meters that holds the whole canvas.
  bounds() {
    const corners = [[0, 0], [this.width, 0], [0, this.height], [this.width, this.height]].map(([x, y]) => this.place(x, y));
    const xs = corners.map((corner) => corner.x);
    const ys = corners.map((corner) => corner.y);
    return { left: Math.min(...xs), right: Math.max(...xs), bottom: Math.min(...ys), top: Math.max(...ys) };
  }

  drag(fromX, fromY, toX, toY) {
    this.following = false;
    const from = this.place(fromX, fromY);
    const to = this.place(toX, toY);
    this.center = { x: this.center.x + from.x - to.x, y: this.center.y + from.y - to.y };
  }

  // The place under the pointer stays where it is, unless the vehicle is followed.
  zoom(factor, pixelX, pixelY) {
    const before = this.place(pixelX, pixelY);
    this.scale = Math.max(MIN_SCALE, Math.min(this.scale * factor, MAX_SCALE));
    if (this.following) return;
    const after = this.place(pixelX, pixelY);
    this.center = { x: this.center.x + before.x - after.x, y: this.center.y + before.y - after.y };
  }

  fit(xs, ys) {
    const [left, right, bottom, top] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    this.following = false;
    this.scaleBefore = this.scaleBefore === null ? this.scale : this.scaleBefore;
    this.up = Math.PI / 2;
    this.anchor = { x: 0.5, y: 0.5 };
    this.center = { x: (left + right) / 2, y: (bottom + top) / 2 };
    const margin_m = 30;
    const scale = Math.min(this.width / (right - left + margin_m), this.height / (top - bottom + margin_m));
    this.scale = Math.max(MIN_SCALE, Math.min(scale, MAX_SCALE));
  }
}

// A drag moves the image. The wheel scrolls the page until the image was clicked, then zooms; a pinch (ctrl) always zooms.
function wireCanvas(canvas, view, onMove) {
  let from = null;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    from = [event.offsetX, event.offsetY];
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!from || (event.offsetX === from[0] && event.offsetY === from[1])) return;
    view.drag(from[0], from[1], event.offsetX, event.offsetY);
    from = [event.offsetX, event.offsetY];
    onMove();
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { from = null; });
  canvas.addEventListener("wheel", (event) => {
    if (document.activeElement !== canvas && !event.ctrlKey) return;
    event.preventDefault();
    view.zoom(Math.exp(-event.deltaY * 0.0015), event.offsetX, event.offsetY);
    onMove();
  }, { passive: false });
}
