// One prediction from Go, over TensorFlow Serving's API; with Debian's golang-google-grpc-dev and protoc-gen-go-1-3. The
// protos name no Go packages, so the options do:
//
//	of=carousel/tfserving known=github.com/golang/protobuf/ptypes
//	options=plugins=grpc,paths=source_relative,M$of/tensor.proto=tensor/$of,M$of/config.proto=serving/$of
//	options=$options,M$of/serving.proto=serving/$of,Mgoogle/protobuf/any.proto=$known/any
//	options=$options,Mgoogle/protobuf/wrappers.proto=$known/wrappers
//	mkdir -p src/tensor src/serving
//	protoc -Iprotos --go_out=$options:src/tensor $of/tensor.proto
//	protoc -Iprotos --go_out=$options:src/serving $of/config.proto $of/serving.proto
//	GO111MODULE=off GOPATH=$PWD:/usr/share/gocode go run predict.go localhost:8500 small
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"time"

	"google.golang.org/grpc"
	serving "serving/carousel/tfserving"
	tensor "tensor/carousel/tfserving"
)

func main() {
	connection, err := grpc.Dial(os.Args[1], grpc.WithInsecure())
	if err != nil {
		log.Fatal(err)
	}
	values := make([]float32, 15)
	for i := range values {
		values[i] = 1
	}
	shape := &tensor.TensorShapeProto{} // sequences, timesteps, input_dim
	for _, size := range []int64{1, 5, 3} {
		shape.Dim = append(shape.Dim, &tensor.TensorShapeProto_Dim{Size: size})
	}
	input := &tensor.TensorProto{Dtype: tensor.DataType_DT_FLOAT, TensorShape: shape, FloatVal: values}
	request := &serving.PredictRequest{
		ModelSpec: &serving.ModelSpec{Name: os.Args[2]}, Inputs: map[string]*tensor.TensorProto{"inputs": input},
	}
	deadline, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	answer, err := serving.NewPredictionServiceClient(connection).Predict(deadline, request)
	if err != nil {
		log.Fatal(err)
	}
	for _, output := range answer.Outputs {
		json.NewEncoder(os.Stdout).Encode(output.FloatVal)
	}
}
