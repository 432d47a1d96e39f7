// One prediction from C++, over TensorFlow Serving's API, with Debian's libgrpc++-dev and protobuf-compiler-grpc:
//   protoc -Iprotos --cpp_out=. --grpc_out=. --plugin=protoc-gen-grpc=/usr/bin/grpc_cpp_plugin \
//       protos/carousel/tfserving/{tensor,config,serving}.proto
//   g++ -I. docs/examples/predict.cpp carousel/tfserving/*.cc -o predict $(pkg-config --libs grpc++ protobuf)
//   ./predict localhost:8500 small
#include <grpcpp/grpcpp.h>
#include <iostream>
#include "carousel/tfserving/serving.grpc.pb.h"

int main(int, char** arguments) {
  auto channel = grpc::CreateChannel(arguments[1], grpc::InsecureChannelCredentials());
  auto stub = tensorflow::serving::PredictionService::NewStub(channel);
  tensorflow::serving::PredictRequest request;
  request.mutable_model_spec()->set_name(arguments[2]);
  auto& tensor = (*request.mutable_inputs())["inputs"];
  tensor.set_dtype(tensorflow::DT_FLOAT);
  for (int size : {1, 5, 3}) tensor.mutable_tensor_shape()->add_dim()->set_size(size);  // sequences, timesteps, input_dim
  for (int i = 0; i < 15; ++i) tensor.add_float_val(1);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  tensorflow::serving::PredictResponse answer;
  auto status = stub->Predict(&context, request, &answer);
  if (!status.ok()) return std::cerr << status.error_message() << "\n", 1;
  std::cout.precision(9);
  const char* before = "[";
  for (float value : answer.outputs().begin()->second.float_val()) std::cout << before << value, before = ",";
  std::cout << "]\n";
}
