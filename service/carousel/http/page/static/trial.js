// Try it: one sequence in, its last step and the whole sequence out.
import { make, post } from "/page/asking.js";
import { drawSequence, table } from "/page/drawing.js";
import { lines, readSequence } from "/page/reading.js";
import { snippets } from "/page/snippets.js";

const EXAMPLE = 24; // timesteps
const part = (id) => document.getElementById(id);

export class Trial {
  #models = new Map();
  #port = 0;
  #chosen;

  // `chose` is called with the model that was chosen, and what gives the lines that are typed.
  constructor(chose) {
    this.#chosen = chose;
    part("try").addEventListener("submit", (event) => { event.preventDefault(); this.#predict(); });
    part("example").addEventListener("click", () => this.#example());
    part("model").addEventListener("change", () => this.#choose());
    part("file").addEventListener("change", (event) => this.#take(event.target.files));
    const area = part("sequence");
    area.addEventListener("dragover", (event) => { event.preventDefault(); area.classList.add("over"); });
    area.addEventListener("dragleave", () => area.classList.remove("over"));
    area.addEventListener("drop", (event) => {
      if (!event.dataTransfer.files.length) return;
      event.preventDefault();
      area.classList.remove("over");
      this.#take(event.dataTransfer.files);
    });
  }

  // Offer the newest version of each model; what was chosen stays.
  offer(state) {
    this.#port = state.grpc_port;
    const models = new Map();
    for (const model of state.models) if (!models.has(model.name) || models.get(model.name).version < model.version) models.set(model.name, model);
    const names = [...models.keys()].join("\n"), before = [...this.#models.keys()].join("\n");
    this.#models = models;
    if (names === before) return;
    const select = part("model"), was = select.value;
    select.replaceChildren(...[...models.keys()].map((name) => make("option", { value: name }, name)));
    if (models.has(was)) select.value = was;
    else if (models.size) this.#choose();
  }

  get #model() {
    return this.#models.get(part("model").value);
  }

  #choose() {
    const model = this.#model, count = model.timesteps ?? "any number of";
    part("expected").textContent = model.inputs.length > 1
      ? `JSON, an object with ${model.inputs.map((each) => each.name).join(", ")}.`
      : model.features.length
        ? `Expected: ${count} timesteps of ${model.features[0]} number${model.features[0] === 1 ? "" : "s"}.`
        : `Expected: ${count} timesteps of one token${model.vocabulary ? `, 0 to ${model.vocabulary - 1}` : ""}.`;
    part("answer").hidden = true;
    part("problem").textContent = "";
    this.#example();
    this.#chosen(model, () => lines(part("sequence").value));
  }

  // A random walk in the model's own shape.
  #example() {
    const model = this.#model, count = model.timesteps ?? Math.max(EXAMPLE, model.min_timesteps);
    if (model.inputs.length > 1) { part("sequence").value = ""; return; }
    const width = model.features[0] ?? 1, at = new Array(width).fill(0);
    const step = () => model.features.length
      ? at.map((_, i) => (at[i] += Math.random() - 0.5).toFixed(3)).join(", ")
      : String(Math.floor(Math.random() * (model.vocabulary ?? 2)));
    part("sequence").value = Array.from({ length: count }, step).join("\n");
  }

  async #take(files) {
    if (files.length) part("sequence").value = await files[0].text();
  }

  async #predict() {
    const model = this.#model;
    part("problem").textContent = "";
    try {
      const value = readSequence(part("sequence").value, model);
      const every = model.signatures.includes("sequence"), last = model.signatures.includes("last_step");
      const ask = async (signature) => {
        const named = signature ? { signature_name: signature } : {};
        return (await post(`/v1/models/${encodeURIComponent(model.name)}:predict`, { ...named, instances: [value] })).predictions[0];
      };
      const [whole, end] = await Promise.all([every ? ask("sequence") : null, ask(last ? "last_step" : "")]);
      part("last").replaceChildren(...outputs(end));
      part("whole").replaceChildren(...(whole ? drawSequence(whole, "Output") : [make("p", { class: "note" }, "The model gives no output for every timestep.")]));
      part("snippets").replaceChildren(...snippets(model, every ? "sequence" : last ? "last_step" : "", value, this.#port));
      part("answer").hidden = false;
    } catch (error) {
      part("answer").hidden = true;
      part("problem").textContent = error.message;
    }
  }
}

// One output, or several by name: each a table.
function outputs(end) {
  if (!Array.isArray(end) && typeof end === "object" && end !== null) return Object.entries(end).map(([name, values]) => table([values].flat(Infinity), name));
  return [table([end].flat(Infinity), "Last step")];
}
