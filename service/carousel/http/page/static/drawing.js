// Lines over timesteps, as SVG.
import { make, shortly } from "/page/asking.js";

export const MAX_LINES = 8;
const WIDTH = 600;

// Draw each list of numbers as one line; null, for what is not finite, is left out.
export function draw(lines, { height = 180, label }) {
  const shown = lines.slice(0, MAX_LINES);
  const values = shown.flat().filter((value) => value !== null);
  const low = Math.min(0, ...values), high = Math.max(low + 1e-12, ...values);
  const y = (value) => 4 + (height - 8) * (1 - (value - low) / (high - low));
  const svg = make("svg", { viewBox: `0 0 ${WIDTH} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": label, height });
  svg.append(make("line", { class: "axis", x1: 0, x2: WIDTH, y1: y(0), y2: y(0) }));
  shown.forEach((line, i) => {
    const x = (t) => (line.length > 1 ? (WIDTH * t) / (line.length - 1) : 0);
    const ends = line.length === 1 ? [[0, line[0]], [WIDTH, line[0]]] : line.map((value, t) => [x(t), value]);
    const points = ends.filter(([, value]) => value !== null).map(([at, value]) => `${at.toFixed(1)},${y(value).toFixed(1)}`);
    svg.append(make("polyline", { class: `s${i}`, points: points.join(" ") }));
  });
  return svg;
}

// Draw a sequence of outputs, a list of units each timestep.
export function drawSequence(steps, what) {
  const units = steps[0].length;
  const lines = Array.from({ length: Math.min(units, MAX_LINES) }, (_, unit) => steps.map((step) => step[unit]));
  const values = lines.flat().filter((value) => value !== null);
  const range = values.length ? `${shortly(Math.min(...values))} to ${shortly(Math.max(...values))}` : "not finite";
  const which = units > MAX_LINES ? `the first ${MAX_LINES} of ${units} units` : `${units} unit${units === 1 ? "" : "s"}`;
  const text = `${what}: ${which} over ${steps.length} timestep${steps.length === 1 ? "" : "s"}, ${range}`;
  return [make("p", { class: "note" }, text), draw(lines, { label: text })];
}

// A table of one step's values.
export function table(values, what) {
  const row = make("tr");
  for (const value of values.slice(0, 64)) row.append(make("td", {}, shortly(value)));
  const caption = values.length > 64 ? `${what}: the first 64 of ${values.length} units` : `${what}: ${values.length} units`;
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": what }, make("table", {}, make("caption", {}, caption), make("tbody", {}, row)));
}
