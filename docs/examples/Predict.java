// One prediction from Java, over TensorFlow Serving's API; with Debian's libgrpc-java, libnetty-java, libperfmark-java,
// libgeronimo-annotation-1.3-spec-java and protobuf-compiler-grpc-java-plugin:
//   mkdir -p src classes
//   protoc -Iprotos --java_out=src --plugin=protoc-gen-grpc-java=/usr/bin/grpc_java_plugin --grpc-java_out=src \
//     carousel/tfserving/tensor.proto carousel/tfserving/config.proto carousel/tfserving/serving.proto
//   javac -cp '/usr/share/java/*' -d classes Predict.java $(find src -name '*.java')
//   java -cp 'classes:/usr/share/java/*' Predict localhost:8500 small
import io.grpc.ManagedChannel;
import io.grpc.netty.NettyChannelBuilder;
import java.util.Collections;
import java.util.concurrent.TimeUnit;
import tensorflow.Tensor;
import tensorflow.serving.PredictionServiceGrpc;
import tensorflow.serving.Serving;

public class Predict {
    public static void main(String[] given) throws Exception {
        ManagedChannel channel = NettyChannelBuilder.forTarget(given[0]).usePlaintext().build();
        Tensor.TensorProto.Builder input = Tensor.TensorProto.newBuilder().setDtype(Tensor.DataType.DT_FLOAT);
        for (int size : new int[] {1, 5, 3}) { // sequences, timesteps, input_dim
            input.getTensorShapeBuilder().addDimBuilder().setSize(size);
        }
        input.addAllFloatVal(Collections.nCopies(15, 1f));
        Serving.PredictRequest request = Serving.PredictRequest.newBuilder()
                .setModelSpec(Serving.ModelSpec.newBuilder().setName(given[1])).putInputs("inputs", input.build()).build();
        Serving.PredictResponse answer = PredictionServiceGrpc.newBlockingStub(channel)
                .withDeadlineAfter(10, TimeUnit.SECONDS).predict(request);
        System.out.println(answer.getOutputsMap().values().iterator().next().getFloatValList());
        channel.shutdownNow();
    }
}
