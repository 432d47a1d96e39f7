// One prediction from Node, over TensorFlow Serving's API: npm install @grpc/grpc-js @grpc/proto-loader
//   node predict.cjs localhost:8500 small protos          (the last is this project's folder of protos)
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const [target, model, protos] = process.argv.slice(2);
const loaded = loader.loadSync("carousel/tfserving/serving.proto", { includeDirs: [protos], keepCase: true });
const { PredictionService } = grpc.loadPackageDefinition(loaded).tensorflow.serving;
const stub = new PredictionService(target, grpc.credentials.createInsecure());
const shape = { dim: [{ size: 1 }, { size: 5 }, { size: 3 }] }; // sequences, timesteps, input_dim
const inputs = { inputs: { dtype: "DT_FLOAT", tensor_shape: shape, float_val: Array(15).fill(1) } };
const deadline = new Date(Date.now() + 10000);
stub.Predict({ model_spec: { name: model }, inputs }, { deadline }, (error, answer) => {
  if (error) throw error;
  console.log(JSON.stringify(Object.values(answer.outputs)[0].float_val));
});
