// How busy the server is: rates between two looks, and the last five minutes of each as a small plot.
import { make, shortly } from "/page/asking.js";
import { draw } from "/page/drawing.js";

const KEPT = 150; // looks
const PLOTS = {
  requests: ["Requests a second", (was, is, seconds) => (is.requests - was.requests) / seconds],
  wait: ["Wait for the first tick, ms", (was, is) => mean(is.wait_seconds - was.wait_seconds, is.waited - was.waited, 1000)],
  rows: ["Rows a tick", (was, is) => mean(is.rows - was.rows, is.ticks - was.ticks)],
  timesteps: ["Timesteps a second", (was, is, seconds) => (is.timesteps - was.timesteps) / seconds],
  refused: ["Refused or failed a second", (was, is, seconds) => (is.refused + is.failed - was.refused - was.failed) / seconds],
  live: ["Live sequences", (_, is) => is.sessions],
};
const histories = Object.fromEntries(Object.keys(PLOTS).map((key) => [key, []]));
let before = null;

export function showBusy(state) {
  const now = { at: state.at, sums: sum(state.models.map((model) => model.counted).filter(Boolean)) };
  if (before && now.at > before.at) {
    const place = document.getElementById("busy");
    const figures = Object.entries(PLOTS).map(([key, [title, rate]]) => {
      const history = histories[key];
      history.push(Math.max(0, rate(before.sums, now.sums, now.at - before.at)));
      if (history.length > KEPT) history.shift();
      const text = `${title}: ${shortly(history.at(-1))}`;
      return make("div", { class: "card", id: `busy-${key}` }, make("h3", {}, text), draw([history], { height: 50, label: `${text} now, at most ${shortly(Math.max(...history))}` }));
    });
    place.replaceChildren(...figures);
  }
  before = now;
}

function sum(all) {
  const keys = ["requests", "failed", "refused", "timesteps", "ticks", "rows", "waited", "wait_seconds", "sessions"];
  return Object.fromEntries(keys.map((key) => [key, all.reduce((total, each) => total + each[key], 0)]));
}

const mean = (total, count, scale = 1) => (count > 0 ? (scale * total) / count : 0);
