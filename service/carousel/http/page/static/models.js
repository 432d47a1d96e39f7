// What is served: one card for each model version, rewritten only when something about it changed.
import { make } from "/page/asking.js";

let shown = "";

export function showModels(models) {
  const cards = models.map(({ counted, ...model }) => ({ ...model, sessions: counted?.sessions ?? 0 }));
  const now = JSON.stringify(cards);
  if (now === shown) return;
  shown = now;
  const place = document.getElementById("served");
  place.replaceChildren(...(cards.length ? cards.map(card) : [make("p", {}, "Nothing yet.")]));
}

function card(model) {
  const facts = {
    Version: [model.version, ...model.labels].join(", "),
    Engine: model.engine + (model.not_preferred_because ? ` (${model.not_preferred_because})` : ""),
    Runs: model.stepwise ? "stepwise, can be live" : "whole",
    "Equal bits": { true: "yes, checked on this machine", false: "NO", null: "not promised" }[model.batch_invariant],
    Takes: model.inputs.map(tensor).join("; "),
    Gives: model.outputs.map(tensor).join("; "),
    "Live sequences": model.sessions,
  };
  const list = make("dl");
  for (const [name, value] of Object.entries(facts)) list.append(make("dt", {}, name), make("dd", {}, String(value)));
  const flow = make("ol", { class: "flow", "aria-label": `Shapes through ${model.name}` });
  for (const text of shapes(model)) flow.append(make("li", {}, text));
  return make("article", { class: "card" }, make("h3", {}, model.name), list, flow);
}

const tensor = (spec) => `${spec.name} ${spec.dtype} ${shape(spec.shape)}`;

function shape(dims) {
  return `[${dims.map((dim, i) => dim ?? (i === 0 ? "batch" : "timesteps")).join(", ")}]`;
}

// The input, each layer that holds a state, by the names of its states, and the outputs.
function shapes(model) {
  const layers = new Map();
  for (const { name, units } of model.states) layers.set(name.replace(/_[a-z]+$/, ""), units);
  return [
    ...model.inputs.map((spec) => shape(spec.shape)),
    ...[...layers].map(([name, units]) => `${name} [${units}]`),
    ...model.outputs.map((spec) => shape(spec.shape)),
  ];
}
