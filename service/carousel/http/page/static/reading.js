// What was typed or dropped, as one sequence: CSV, a line a timestep, or JSON.

export function readSequence(text, model) {
  const trimmed = text.trim();
  if (!trimmed) throw new Error("There is no timestep: type one a line, or drop a file.");
  if (trimmed.startsWith("[") || trimmed.startsWith("{")) return readJson(trimmed, model);
  return lines(trimmed).map((line, i) => readLine(line, model, i + 1));
}

export function lines(text) {
  const all = text.trim().split(/\r?\n/).filter((line) => line.trim());
  return all.length > 1 && all[0].split(/[,;\t ]+/).some((word) => word && Number.isNaN(Number(word))) ? all.slice(1) : all;
}

// One timestep: its features, or one token.
export function readLine(line, model, number) {
  const values = line.trim().split(/\s*[,;\t]\s*|\s+/).map(Number);
  if (values.some(Number.isNaN)) throw new Error(`Line ${number} holds what is no number: ${line.slice(0, 60)}`);
  const expected = model.features.length ? model.features[0] : 1;
  if (values.length !== expected) throw new Error(`Line ${number} has ${values.length} numbers, expected ${expected}.`);
  return model.features.length ? values : values[0];
}

function readJson(text, model) {
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`This is no JSON: ${error.message}`);
  }
  if (value.instances) value = value.instances[0];
  const depth = model.features.length ? 2 : 1;
  if (Array.isArray(value) && depthOf(value) === depth + 1 && value.length === 1) return value[0]; // a batch of one
  if (Array.isArray(value) && depthOf(value) === 1 && model.features[0] === 1) return value.map((number) => [number]);
  return value;
}

const depthOf = (value) => (Array.isArray(value) ? 1 + depthOf(value[0]) : 0);
