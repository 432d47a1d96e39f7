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

async function read(response) {
  const text = await response.text();
  let answer;
  try {
    // TensorFlow Serving's numbers: NaN and Infinity are bare tokens, which JSON.parse does not take.
    answer = JSON.parse(text.replace(/(^|[[,:\s])(-?Infinity|NaN)(?=[\],}\s]|$)/g, "$1null"));
  } catch {
    throw new Error(`${response.status} ${text.slice(0, 200)}`);
  }
  if (!response.ok) throw Object.assign(new Error(answer.error ?? `${response.status}`), { status: response.status });
  return answer;
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
