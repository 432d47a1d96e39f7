// The page put together: it asks for the state every two seconds, and lets each part show its own.
import { showBusy } from "/page/busy.js";
import { get, useToken } from "/page/asking.js";
import { Live } from "/page/live.js";
import { showModels } from "/page/models.js";
import { Trial } from "/page/trial.js";

const EVERY = 2000; // milliseconds
const condition = document.getElementById("condition");
let next = 0; // the timer of the next look
const live = new Live();
const trial = new Trial((model, lines) => live.use(model, lines));

document.getElementById("door").addEventListener("submit", (event) => {
  event.preventDefault();
  useToken(document.getElementById("token").value);
  look();
});

async function look() {
  clearTimeout(next);
  try {
    const state = await get("/page/state");
    const models = state.models.length;
    say(`${state.serving ? "Serving" : "Not serving"} ${models} model version${models === 1 ? "" : "s"}`);
    document.getElementById("release").textContent = state.carousel;
    showModels(state.models);
    showBusy(state);
    trial.offer(state);
    document.getElementById("door").hidden = true;
  } catch (error) {
    say(`The server cannot be asked: ${error.message}`);
    if (error.status === 401 || error.status === 403) {
      document.getElementById("door").hidden = false;
      return; // until there is a token
    }
  }
  next = setTimeout(look, EVERY);
}

function say(text) {
  if (condition.textContent !== text) condition.textContent = text; // a screen reader says it once
}

look();
