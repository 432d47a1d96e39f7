// The same request from elsewhere: curl, Python, grpcurl.
import { make } from "/page/asking.js";

export function snippets(model, signature, value, port) {
  const host = location.hostname.includes(":") ? `[${location.hostname}]` : location.hostname;
  const document = JSON.stringify(signature ? { signature_name: signature, instances: [value] } : { instances: [value] });
  const texts = { curl: `curl ${location.origin}/v1/models/${encodeURIComponent(model.name)}:predict -d '${document}'` };
  if (Array.isArray(value) && model.inputs.length === 1) {
    const tokens = !model.features.length;
    const every = signature === "sequence" ? ", return_sequences=True" : "";
    texts.Python = [
      "import numpy as np",
      "from carousel.client import Client",
      "",
      `steps = np.array(${JSON.stringify(value)}, "${tokens ? "int32" : "float32"}")`,
      `with Client("${host}:${port}") as client:`,
      `    [prediction] = client.predict("${model.name}", [steps]${every})`,
      "print(prediction.output)",
    ].join("\n");
    const [input] = model.served_inputs;
    const contents = { [tokens ? (input.datatype === "INT64" ? "int64_contents" : "int_contents") : "fp32_contents"]: value.flat() };
    const request = { model_name: model.name, inputs: [{ name: input.name, datatype: input.datatype, shape: [1, value.length, ...model.features], contents }] };
    const plain = location.protocol === "https:" ? "" : "-plaintext ";
    texts.grpcurl = `grpcurl ${plain}-d '${JSON.stringify(request)}' ${host}:${port} inference.GRPCInferenceService/ModelInfer`;
  }
  return Object.entries(texts).flatMap(([name, text]) => [
    make("h4", {}, name),
    make("pre", { tabindex: 0, role: "region", "aria-label": `${name} command`, id: `with-${name}` }, text),
  ]);
}
