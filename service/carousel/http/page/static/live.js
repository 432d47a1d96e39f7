// A live sequence by the Open Inference Protocol's sequence_id: each line is one request of one timestep.
import { post } from "/page/asking.js";
import { drawSequence } from "/page/drawing.js";
import { readLine } from "/page/reading.js";

const part = (id) => document.getElementById(id);

export class Live {
  #model;
  #typed;
  #id;
  #outputs = [];
  #fed = 0;
  #turn = Promise.resolve();

  constructor() {
    part("live").addEventListener("submit", (event) => {
      event.preventDefault();
      const line = part("line").value;
      if (!line.trim()) return this.#say("Type the features of one timestep first.");
      this.#then(async () => { if (await this.#feed(line)) part("line").select(); });
    });
    part("feed-all").addEventListener("click", () => this.#then(async () => {
      for (const line of this.#typed()) if (!(await this.#feed(line))) break;
    }));
    part("begin-anew").addEventListener("click", () => this.#then(() => this.#begin()));
  }

  // Feed this model from now on; `typed` gives lines to feed.
  use(model, typed) {
    this.#then(() => {
      this.#model = model;
      this.#typed = typed;
      const able = model.stepwise && model.served_inputs.length === 1;
      for (const id of ["line", "feed", "feed-all", "begin-anew"]) part(id).disabled = !able;
      part("live-note").textContent = able
        ? `The server keeps the state of ${model.name}: each line is one timestep more, and costs one.`
        : `${model.name} cannot be live here: ${model.stepwise ? "it takes several inputs" : "it runs whole"}.`;
      part("line").value = new Array(model.features[0] ?? 1).fill(0).join(", ");
      return this.#begin();
    });
  }

  // One thing after another: a timestep is fed once the one before is answered.
  #then(what) {
    this.#turn = this.#turn.then(what).catch((error) => this.#say(error.message));
  }

  #begin() {
    this.#id = `page-${Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16)).join("")}`;
    this.#outputs = [];
    this.#fed = 0;
    this.#say("");
    part("live-state").textContent = "No timestep was fed yet.";
    part("live-drawn").replaceChildren();
  }

  async #feed(line) {
    const model = this.#model, [input] = model.served_inputs;
    try {
      const step = readLine(line, model, this.#fed + 1);
      const answer = await post(`/v2/models/${encodeURIComponent(model.name)}/versions/${model.version}/infer`, {
        parameters: { sequence_id: this.#id, sequence_start: this.#fed === 0 },
        inputs: [{ name: input.name, datatype: input.datatype, shape: [1, 1, ...model.features], data: [step].flat() }],
      });
      this.#fed += 1;
      this.#outputs.push((answer.outputs.find((output) => output.name === "last_step") ?? answer.outputs.at(-1)).data);
      this.#say("");
      part("live-state").textContent = `${this.#fed} timestep${this.#fed === 1 ? "" : "s"} fed.`;
      part("live-drawn").replaceChildren(...drawSequence(this.#outputs, "Output so far"));
      return true;
    } catch (error) {
      this.#say(error.message);
      return false;
    }
  }

  #say(problem) {
    part("live-problem").textContent = problem;
  }
}
