// The distance of an axis's marks.

// The smallest round step (1, 2 or 5 times a power of ten) that divides a range into no more than so many parts.
function niceStep(range, most) {
  const rough = range / most || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough);
}
