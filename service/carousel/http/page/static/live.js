// A live sequence: each line is one message of one timestep.
import { Talk } from "/page/asking.js";
import { drawSequence } from "/page/drawing.js";
import { readLine } from "/page/reading.js";

const part = (id) => document.getElementById(id);

export class Live {
  #model;
  #typed;
  #talk = null;
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
      const slides = model.timesteps !== null, able = model.inputs.length === 1 && (model.stepwise || slides);
      for (const id of ["line", "feed", "feed-all", "begin-anew"]) part(id).disabled = !able;
      part("live-note").textContent = !able
        ? `${model.name} cannot be live here: ${model.inputs.length > 1 ? "it takes several inputs" : "it runs whole"}.`
        : slides
          ? `The server keeps the last ${model.timesteps} timesteps of ${model.name}, and answers for them once they are there.`
          : `The server keeps the state of ${model.name}: each line is one timestep more, and costs one.`;
      part("line").value = new Array(model.features[0] ?? 1).fill(0).join(", ");
      return this.#begin();
    });
  }

  // One thing after another: a timestep is fed once the one before is answered.
  #then(what) {
    this.#turn = this.#turn.then(what).catch((error) => this.#say(error.message));
  }

  #begin() {
    this.#talk?.close();
    this.#talk = null;
    this.#outputs = [];
    this.#fed = 0;
    this.#say("");
    part("live-state").textContent = "No timestep was fed yet.";
    part("live-drawn").replaceChildren();
  }

  async #feed(line) {
    const model = this.#model;
    try {
      const step = readLine(line, model, this.#fed + 1);
      this.#talk ??= new Talk(`/v1/models/${encodeURIComponent(model.name)}/versions/${model.version}/live`);
      const answer = await this.#talk.ask({ input: [step] });
      this.#fed += 1;
      if (answer.output) this.#outputs.push(answer.output);
      this.#say("");
      part("live-state").textContent = `${this.#fed} timestep${this.#fed === 1 ? "" : "s"} fed.`;
      part("live-drawn").replaceChildren(...(this.#outputs.length ? drawSequence(this.#outputs, "Output so far") : []));
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
