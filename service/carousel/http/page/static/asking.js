// Requests to the server that gave this page, and elements made of their answers.

let token = ""; // of this page alone, and gone with it

export async function get(path) {
  return read(await fetch(path, { headers: headers() }));
}

export async function post(path, document) {
  return read(await fetch(path, { method: "POST", body: JSON.stringify(document), headers: headers() }));
}

export function useToken(given) {
  token = given.trim();
}

const headers = () => (token ? { authorization: `Bearer ${token}` } : {});

// TensorFlow Serving's numbers: NaN and Infinity are bare tokens, which JSON.parse does not take.
const parse = (text) => JSON.parse(text.replace(/(^|[[,:\s])(-?Infinity|NaN)(?=[\],}\s]|$)/g, "$1null"));

async function read(response) {
  const text = await response.text();
  let answer;
  try {
    answer = parse(text);
  } catch {
    throw new Error(`${response.status} ${text.slice(0, 200)}`);
  }
  if (!response.ok) throw Object.assign(new Error(answer.error ?? `${response.status}`), { status: response.status });
  return answer;
}

// A live sequence: a WebSocket, whose answers come in the order of what was sent.
export class Talk {
  #socket;
  #waiting = [];

  constructor(path) {
    // A browser's WebSocket sends no headers: the token goes as a subprotocol.
    const bytes = Array.from(new TextEncoder().encode(token), (byte) => String.fromCharCode(byte)).join("");
    const spelled = btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
    const offered = token ? ["carousel.live", `base64url.bearer.authorization.${spelled}`] : [];
    this.#socket = new WebSocket(new URL(path, location.href.replace(/^http/, "ws")), offered);
    this.#socket.addEventListener("message", ({ data }) => {
      const answer = parse(data);
      const went = answer.going_away ? "The server is going away: begin anew." : answer.error;
      if (went) return this.#fail(went);
      this.#waiting.shift()?.resolve(answer);
    });
    this.#socket.addEventListener("close", () => this.#fail("The connection is closed: begin anew."));
  }

  async ask(message) {
    if (this.#socket.readyState === WebSocket.CONNECTING) await new Promise((go) => ["open", "close"].forEach((event) => this.#socket.addEventListener(event, go, { once: true })));
    if (this.#socket.readyState !== WebSocket.OPEN) throw new Error("The connection is closed: begin anew.");
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#socket.send(JSON.stringify(message));
    });
  }

  close() {
    this.#socket.close();
  }

  #fail(because) {
    for (const { reject } of this.#waiting.splice(0)) reject(new Error(because));
  }
}

// Make an element; `inside` are elements and texts.
export function make(tag, attributes = {}, ...inside) {
  const namespace = ["svg", "polyline", "line", "text"].includes(tag) ? "http://www.w3.org/2000/svg" : "http://www.w3.org/1999/xhtml";
  const element = document.createElementNS(namespace, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...inside);
  return element;
}

export const shortly = (value) => (value === null ? "not finite" : String(Number(value.toPrecision(4))));
